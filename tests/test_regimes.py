"""How many points a generation draws from whom: exact counts, against fractions in Python."""

from fractions import Fraction
from math import floor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax import regimes
from ouroboros_jax.base import Settings
from ouroboros_jax.config import new_config
from ouroboros_jax.schedule import count_share
from ouroboros_jax.sweep import expand


def settings(num, num_real=0, **regime):
    regime = {name: jnp.asarray(value) for name, value in regime.items()}
    num, num_real = jnp.asarray(num, jnp.int32), jnp.asarray(num_real, jnp.int32)
    return Settings(num, num_real, num, {}, regime, {}, {})


def half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


@pytest.mark.parametrize("window", [1, 2, 3, 7])
def test_window_splits_evenly_and_exactly(window):
    """Cumulative shares of n over min(g + 1, K) models, newest first, the truth being the last."""
    regime = regimes.window(window=window)
    assert regime.sources == (*range(1, window + 1), regimes.REAL)
    assert regime.lags == window
    num = np.array([2, 3, 10, 11, 100, 1001, 99_999], np.int32)
    generation = np.arange(1, 12, dtype=np.int32)
    over_both = jax.vmap(jax.vmap(lambda n, g: regime.counts(settings(n), g), (0, None)), (None, 0))
    counts = np.asarray(over_both(num, generation))  # [generation, num, source]
    for row, g in zip(counts, generation, strict=True):
        for split, n in zip(row, num, strict=True):
            models = min(g + 1, window)
            edges = [half_up(Fraction(int(i * n), int(models))) for i in range(models + 1)]
            expected = np.zeros(window + 1, int)
            for lag, size in enumerate(np.diff(edges), 1):
                expected[lag - 1 if lag <= g else window] += size
            np.testing.assert_array_equal(split, expected)
            assert split.sum() == n
            assert np.ptp(np.diff(edges)) <= 1
            if n >= models:
                assert (split[window] > 0) == (g < window)


def test_large_counts_do_not_overflow():
    """10 million points over 200 models, whose cumulative counts pass 2^31 on their way."""
    counts = regimes.window(window=200).counts(settings(10_000_000), jnp.int32(400))
    np.testing.assert_array_equal(counts, [50_000] * 200 + [0])


@pytest.mark.parametrize("name", ["fresh", "weighted"])
def test_fresh_counts(name):
    regime = getattr(regimes, name)()
    assert regime.sources == (regimes.REAL, 1)
    counts = regime.counts(settings(7, 3), jnp.int32(1))
    np.testing.assert_array_equal(counts, [3, 4])


@pytest.mark.parametrize(
    ("fraction", "num", "real"),
    [
        (0.5, 5, 3),
        (0.1, 5, 1),
        (0.1, 15, 2),
        (0.3, 5, 2),
        (0.7, 5, 4),
        (0.29, 50, 15),
        (0.1, 4, 0),
        (0, 9, 0),
        (1, 9, 9),
    ],
)
def test_a_share_rounds_half_up_as_it_is_written(fraction, num, real):
    """.29 x 50 is 14.5 on paper and 14.4999 in floats: the count is that of the paper."""
    assert count_share(fraction, num) == real
    config = new_config(
        learner="gaussian",
        regime="fresh",
        data="normal",
        num_samples=num,
        **{"regime.real_fraction": fraction},
    )
    (group,) = expand(config)
    assert group.counts(np.arange(3))["num_real"].tolist() == [[real]]


def test_weights():
    regime = regimes.weighted()
    np.testing.assert_allclose(regime.weights(settings(5, 2, real_weight=0.3)), [0.3, 0.7])
    assert regimes.fresh().weights is None


@pytest.mark.parametrize(
    ("name", "kept", "subsample"),
    [
        ("replace", "nothing", False),
        ("accumulate", "all", False),
        ("accumulate_subsample", "all", True),
        ("fixed_real", "real", False),
    ],
)
def test_the_others_draw_from_the_last_model_alone(name, kept, subsample):
    regime = getattr(regimes, name)()
    assert (regime.sources, regime.lags) == ((1,), 1)
    assert (regime.kept, regime.subsample) == (kept, subsample)
    np.testing.assert_array_equal(regime.counts(settings(9), jnp.int32(4)), [9])


def test_a_kept_window_draws_from_the_last_model_alone():
    regime = regimes.window(window=4, kept=True)
    assert (regime.sources, regime.kept, regime.window) == ((1,), "window", 4)

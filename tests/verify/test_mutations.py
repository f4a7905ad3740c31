"""Wrong programs: every mutation of a law, or of what it governs, makes a check fail.

A mutation is one that a hand could make: a wrong divisor, an exponent upside down, a generation too
many. The runs are shared, since a wrong law changes only what they are held against.
"""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax import regimes as loop_regimes
from ouroboros_jax.learners import gaussian as gaussian_learner
from ouroboros_jax.learners import heat_death as heat_death_learner
from ouroboros_jax.theory import gaussian, heat_death, mixture, regimes, weighted
from ouroboros_jax.theory.regimes import Curve
from ouroboros_jax.verify import CHECKS
from ouroboros_jax.verify.session import Session

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZE = 0.25
CHECKED = (
    *("Gaussian moments", "accumulate", "accumulate-subsample", "fresh data", "mixtures"),
    *("temperature", "thresholds", "urns"),
)


@pytest.fixture(scope="module")
def session():
    return Session(SIZE)


def readings(name, session):
    return list(CHECKS[name](session))


@pytest.mark.parametrize("name", CHECKED)
def test_the_right_program_passes(name, session):
    found = readings(name, session)
    assert found and all(r.holds for r in found), [r for r in found if not r.holds]


def later(function, shift=1):
    """`function`, a generation too late."""
    return functools.wraps(function)(lambda g, *args, **kw: function(g + shift, *args, **kw))


def swapped_subsample(generation, num_samples, **kwargs):
    """Section 4.2 with the pool's two coefficients exchanged: a_t where b_t belongs."""
    n, v, out = num_samples, 1 - 1 / num_samples, []
    for t in range(1, int(np.max(generation)) + 2):
        size = t * n
        a = size * (n - 1) / (n * (size - 1))
        b = (size - n) / (n * (size - 1))
        out.append((a * v, 1 - a * v))
        v *= 1 - (b / n + a) / (t + 1) ** 2
    return Curve(*np.array(out).T[:, generation])


def linear_accumulate(generation, num_samples, **kwargs):
    """prod (1 - 1/(n j)): the square forgotten."""
    j = np.arange(1, int(generation) + 2)
    variance = np.prod(1 - 1 / (num_samples * j))
    return Curve(variance, 1 - variance)


def fixed_point(num_samples, real_fraction, **kwargs):
    """1 / (a n (1 - a) + 1 - a): a 1 where a 2 belongs."""
    a, n = real_fraction, num_samples
    error = 1 / (a * n * (1 - a) + 1 - a)
    return Curve(1 - error, error)


def fewer_others(x, num_outcomes, temperature):
    """K - 2 other outcomes instead of K - 1."""
    x = np.asarray(x, np.float64)
    odds = (1 - 1 / temperature) * np.log(num_outcomes - 2) + np.log(1 / x - 1) / temperature
    return 1 / (1 + np.exp(odds))


def squared_urn(generation, start, size, num):
    """prod (1 - m^2 / (N_0 + j m)^2): the draws squared as well."""
    j = np.arange(1, generation + 1)
    return (1 - np.square(start).sum()) * np.prod(1 - num**2 / (size + j * num) ** 2)


right_probabilities = heat_death.expected_probabilities
right_threshold = heat_death.local_threshold

WRONG_LAWS = {  # what is wrong: the check that finds it, where it is, and the wrong version
    "the divisor is n where it is n - 1": (
        "Gaussian moments", gaussian, "divisor_of",
        lambda sizes, estimator: np.asarray(sizes, float),
    ),
    "log variance, a generation too late": (
        "Gaussian moments", gaussian, "expected_log_variance",
        later(gaussian.expected_log_variance),
    ),
    "log variance, Shumailov's clock": (
        "Gaussian moments", gaussian, "expected_log_variance",
        later(gaussian.expected_log_variance, -1),
    ),
    "wandering of the mean, a generation too late": (
        "Gaussian moments", gaussian, "expected_mean_squared_error",
        later(gaussian.expected_mean_squared_error, 3),
    ),
    "diffusion with n where n - 1 belongs, halved": (
        "Gaussian moments", gaussian, "log_diffusion", lambda n: 1 / np.asarray(n, float)
    ),
    "the standard deviation is the root of the mean variance": (
        "Gaussian moments", gaussian, "expected_std",
        lambda g, n, **kw: np.sqrt(gaussian.expected_variance(g, n, **kw)),
    ),
    "accumulate without the square": ("accumulate", regimes, "accumulate", linear_accumulate),
    "the sine's argument without its root": (
        "accumulate", regimes, "accumulate_limit", lambda n: np.sinc(1 / n)
    ),
    "coefficients of the subsample exchanged": (
        "accumulate-subsample", regimes, "accumulate_subsample", swapped_subsample
    ),
    "fresh fixed point with 1 - a": ("fresh data", regimes, "fresh_fixed_point", fixed_point),
    "densities of one dimension in two": (
        "mixtures", mixture, "inner_product",
        lambda p, q, right=mixture.inner_product: right(p, q) * np.sqrt(2 * np.pi),
    ),
    "the exponent upside down": (
        "temperature", heat_death, "sharpened",
        lambda g, p, t, right=heat_death.sharpened: right(g, p, 1 / t),
    ),
    "an exponent too many": ("temperature", heat_death, "sharpened", later(heat_death.sharpened)),
    "the local threshold as a ratio": (
        "thresholds", heat_death, "local_threshold",
        lambda t: heat_death.ratio_of(right_threshold(t)),
    ),
    "one outcome too few": ("thresholds", heat_death, "dominant_response", fewer_others),
    "the urn's draws squared": ("urns", heat_death, "urn_heterozygosity", squared_urn),
    "external data without noise of its own": (
        "urns", heat_death, "expected_probabilities",
        lambda g, p, h, m, r, **kw: right_probabilities(g, p, h, m + r, 0, **kw),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutation", WRONG_LAWS)
def test_a_wrong_law_fails(mutation, session, monkeypatch):
    name, module, attribute, wrong = WRONG_LAWS[mutation]
    monkeypatch.setattr(module, attribute, wrong)
    found = readings(name, session)
    assert any(abs(r.z) >= 4.5 for r in found), found


def test_a_wrong_golden_weight_fails(session, monkeypatch):
    """Its own readings come before any run."""
    wrong = lambda k: (np.sqrt(k * k + 2 * k) - k) / 2  # noqa: E731
    first = [next(CHECKS["golden ratio"](session))]
    monkeypatch.setattr(weighted, "golden_weight", wrong)
    first.append(next(CHECKS["golden ratio"](session)))
    assert [r.holds for r in first] == [True, False]


# Wrong learners and regimes, each a program of its own


def test_a_wrong_divisor_in_the_fit_fails(monkeypatch):
    """Maximum likelihood that divides by n - 1, and the other way round."""
    right = gaussian_learner._fit
    monkeypatch.setattr(gaussian_learner, "_fit", lambda *args: right(*args[:2], not args[2]))
    found = readings("Gaussian moments", Session(SIZE))
    assert sum(abs(r.z) >= 4.5 for r in found if r.law.startswith("E[ln v]")) == 6


def test_a_temperature_upside_down_fails(monkeypatch):
    right = heat_death_learner.tempered
    monkeypatch.setattr(heat_death_learner, "tempered", lambda p, t: right(p, 1 / t))
    session = Session(SIZE)
    for name in ("temperature", "thresholds"):
        assert any(not r.holds for r in readings(name, session))


def test_a_real_point_too_many_fails(monkeypatch):
    """`fresh` that takes one real point of 50 more than asked."""

    def wrong(settings, generation):
        del generation
        real = settings.num_real + 1
        return jnp.stack([real, settings.num_samples - real])

    right = loop_regimes.fresh
    monkeypatch.setattr(
        loop_regimes, "fresh", lambda **kwargs: right(**kwargs)._replace(counts=wrong)
    )
    found = readings("fresh data", Session(1.0))
    assert any(abs(r.z) >= 4.5 for r in found), found

"""Least squares on its own targets: published checks, and a Monte Carlo of independent code."""

import numpy as np
import pytest

from ouroboros_jax.theory import ratios, regression


def test_numbers():
    """d = 5, T = 20: .3571, 1.786, 3.571 for 1, 5 and 10 fits; .5535 for 10 of accumulate."""
    found = regression.replace(np.array([0, 4, 9]), 20, 5)
    np.testing.assert_allclose(found, [0.3571, 1.786, 3.571], rtol=3e-4)
    assert regression.accumulate(9, 20, 5) == pytest.approx(0.5535, abs=5e-5)
    assert regression.accumulate(10**6, 20, 5) == pytest.approx(regression.accumulate_limit(20, 5))
    assert regression.accumulate_limit(20, 5, noise=2.0) == pytest.approx(np.pi**2 / 6 * 4 * 5 / 14)


def test_against_a_loop_in_numpy():
    """Stacked pseudo-inverses, 4,000 chains: within 4.5 standard errors, and precise enough."""
    rng = np.random.default_rng(0)
    chains, rows, d, last = 4000, 15, 3, 3
    x = rng.standard_normal((chains, rows, d))
    inverse = np.linalg.pinv(x)
    first = (inverse @ rng.standard_normal((chains, rows, 1)))[..., 0]
    errors = {"replace": [first], "accumulate": [first], "fixed_real": [first]}
    kept = {"accumulate": [first], "fixed_real": [first]}
    for _ in range(last):
        for name, found in errors.items():
            noise = (inverse @ rng.standard_normal((chains, rows, 1)))[..., 0]
            answer = found[-1] + noise  # of the new data set alone
            if name == "accumulate":
                kept[name].append(answer)
            if name != "replace":  # on the same inputs the pooled fit is the average of the fits
                sets = kept[name] if name == "accumulate" else [first, answer]
                answer = np.mean(sets, axis=0)
            found.append(answer)
    for name, found in errors.items():
        squares = np.square(found[-1]).sum(-1)
        error = squares.std() / np.sqrt(chains)
        expected = getattr(regression, name)(last, rows, d)
        assert abs(squares.mean() - expected) < 4.5 * error, name
        assert error < 0.04 * expected


@pytest.mark.parametrize("rows", [5, 6])
def test_too_few_rows(rows):
    with pytest.raises(ValueError, match="num_samples must be num_features \\+ 2 or more"):
        regression.replace(1, rows, 5)


# The ratios that these and all others share


def test_table_of_ratios():
    g = np.array([1, 2, 3, 5, 10, 20, 100]) - 1
    augment = [1, 1.25, 1.3611, 1.4636, 1.5498, 1.5962, 1.6350]
    subsample = [1, 1.75, 2.0833, 2.3908, 2.6493, 2.7885, 2.9050]
    np.testing.assert_allclose(ratios.error_ratio("accumulate", g), augment, atol=5e-5)
    np.testing.assert_allclose(ratios.error_ratio("accumulate_subsample", g), subsample, atol=5e-5)
    np.testing.assert_array_equal(ratios.error_ratio("replace", g), g + 1)


def test_limits_of_ratios():
    assert pytest.approx(1.64493, abs=5e-6) == ratios.AUGMENT_LIMIT
    assert pytest.approx(2.93480, abs=5e-6) == ratios.SUBSAMPLE_LIMIT
    for name in ("accumulate", "accumulate_subsample"):
        assert ratios.error_ratio(name, 10**6) == pytest.approx(ratios.LIMITS[name], abs=1e-5)
    with pytest.raises(ValueError, match="regime must be one of replace, accumulate"):
        ratios.error_ratio("fresh", 1)


def test_the_pooled_fit_is_the_average_of_the_fits():
    """Exactly, where all generations share their inputs: w_t = w_{t-1} + X^+ E_t / t."""
    rng = np.random.default_rng(3)
    inputs, weights = rng.standard_normal((30, 4)), rng.standard_normal(4)
    noise = rng.standard_normal((6, 30))
    targets, fitted = [inputs @ weights + noise[0]], []
    for t in range(1, 7):
        stacked = np.tile(inputs, (t, 1))
        fitted.append(np.linalg.lstsq(stacked, np.concatenate(targets), rcond=None)[0])
        if t < 6:
            targets.append(inputs @ fitted[-1] + noise[t])
    steps = np.cumsum(noise / np.arange(1, 7)[:, None], 0) @ np.linalg.pinv(inputs).T
    np.testing.assert_allclose(fitted, weights + steps, atol=1e-13)

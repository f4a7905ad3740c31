"""Medians of normal points against NumPy's and against published variances."""

import numpy as np
import pytest

from ouroboros_jax.theory.location import median_variance


@pytest.mark.parametrize(("num", "printed"), [(1, 1.0), (2, 0.5), (3, 0.44867), (5, 0.28683)])
def test_small_samples(num, printed):
    """Order statistics of normal samples are tabulated to five digits (Sarhan and Greenberg)."""
    assert median_variance(num) == pytest.approx(printed, abs=5e-6)


@pytest.mark.parametrize("num", [4, 9, 20])
def test_medians_by_drawing(num):
    chains = 200_000
    medians = np.median(np.random.default_rng(num).standard_normal((chains, num)), axis=1)
    error = median_variance(num) * np.sqrt(2.1 / chains)
    assert abs(medians.var() - median_variance(num)) < 4.5 * error


@pytest.mark.parametrize("num", [10_000, 10_001])
def test_many_points(num):
    assert median_variance(num) == pytest.approx(np.pi / 2 / num, rel=2e-4)


def test_no_points():
    with pytest.raises(ValueError, match="num_points must be 1 or more, got 0"):
        median_variance(0)

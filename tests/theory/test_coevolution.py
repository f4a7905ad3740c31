"""The variance of a class that draws may miss: a simulation, and numbers known before."""

import numpy as np
import pytest

from ouroboros_jax.theory.coevolution import class_variance_factor


def test_after_four_generations():
    assert class_variance_factor(100, 0.05) ** 4 == pytest.approx(0.3103, abs=5e-5)


@pytest.mark.parametrize(("num", "share"), [(5, 0.3), (20, 0.05), (7, 1.0)])
def test_a_simulation(num, share):
    """Chi-squares of as many points as fell into the class, three generations on."""
    rng, chains = np.random.default_rng(num), 200_000
    variance = np.ones(chains)
    for _ in range(3):
        j = rng.binomial(num, share, chains)
        kept = rng.chisquare(np.maximum(j - 1, 1e-300)) / np.maximum(j, 1)
        variance *= np.where(j == 0, 1.0, np.where(j == 1, 0.0, kept))
    error = variance.std() / np.sqrt(chains)
    assert abs(variance.mean() - class_variance_factor(num, share) ** 3) < 4.5 * error


def test_edges():
    assert class_variance_factor(10, 0.0) == 1
    assert class_variance_factor(10, 1.0) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="share in"):
        class_variance_factor(10, 1.5)

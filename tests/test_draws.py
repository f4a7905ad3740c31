"""`log_chi_square` against SciPy: the law, its moments, its edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, polygamma

from ouroboros_jax.draws import log_chi_square

DF = np.array([0.5, 1, 1.7, 2, 3, 9, 99, 1e3, 1e5, 1e7], np.float32)
CHAINS = 40_000


@pytest.fixture(scope="module")
def drawn():
    keys = jax.random.split(jax.random.key(0), CHAINS)
    return np.asarray(jax.jit(jax.vmap(lambda key: log_chi_square(key, DF)))(keys), np.float64)


@pytest.mark.parametrize("place", range(len(DF)))
def test_law(drawn, place):
    """Kolmogorov-Smirnov, and mean and variance of ln X: psi(df/2) + ln 2 and psi1(df/2)."""
    values, half = drawn[:, place], float(DF[place]) / 2
    mean, variance = digamma(half) + np.log(2), polygamma(1, half)
    error = np.sqrt(variance / CHAINS)
    assert abs(values.mean() - mean) < 4.5 * error
    fourth = (polygamma(3, half) + 3 * variance**2) / variance**2
    error = np.sqrt((fourth - 1) / CHAINS)
    assert abs(values.var() / variance - 1) < 4.5 * error
    assert error < 0.02, "enough chains to see another df"
    if DF[place] < 1e6:  # beyond, float32 has too few values for a continuous law
        assert stats.kstest(np.exp(values), stats.chi2(DF[place]).cdf).pvalue > 1e-5


def test_the_test_tells_degrees_of_freedom_apart(drawn):
    assert stats.kstest(np.exp(drawn[:, 6]), stats.chi2(100).cdf).pvalue < 1e-5


def test_lanes_are_independent(drawn):
    correlation = np.corrcoef(drawn.T) - np.eye(len(DF))
    assert abs(correlation).max() < 5 / np.sqrt(CHAINS)


def test_no_degrees_of_freedom_is_zero():
    found = jax.jit(log_chi_square)(jax.random.key(0), jnp.array([0.0, -1, -5, 3]))
    assert (found[:3] == -jnp.inf).all() and jnp.isfinite(found[3])


def test_a_key_is_used_once(key_reuse):
    jax.jit(log_chi_square)(jax.random.key(0), jnp.ones(2))


def test_64_bit():
    with jax.enable_x64(True):
        found = jax.jit(log_chi_square)(jax.random.key(0), jnp.full(3, 4.0))
        assert found.dtype == jnp.float64 and jnp.isfinite(found).all()

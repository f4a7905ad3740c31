"""Draws that JAX lacks, against SciPy and by counting: their laws, their edges."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, polygamma

from ouroboros_jax.draws.numbers import log_chi_square, places_below, without_replacement
from ouroboros_jax.draws.threefry import words

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


THERE = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 0], bool)


@pytest.mark.parametrize("num", [0, 1, 2, 3, 5, 6])
def test_every_subset_is_as_likely(num):
    """Chi-square over all subsets of the six places that are there, and all first pairs."""
    keys = jax.random.split(jax.random.key(1), CHAINS)
    draw = jax.jit(jax.vmap(lambda key: without_replacement(key, jnp.array(THERE), num, 6)))
    chosen = np.asarray(draw(keys))[:, :num]
    assert THERE[chosen].all()
    for some, possible in ((np.sort(chosen, 1), math.comb), (chosen[:, :2], math.perm)):
        rows, counts = np.unique(some, axis=0, return_counts=True)
        assert len(rows) == possible(6, some.shape[1])
        if len(rows) > 1:
            assert stats.chisquare(counts).pvalue > 1e-5


def test_a_subset_does_not_depend_on_the_room_for_it():
    """Nor on room beyond the last place that is there, in one round or many."""
    there = jnp.array(THERE)
    draw = jax.jit(jax.vmap(without_replacement, (0, None, None, None)), static_argnums=3)
    keys = jax.random.split(jax.random.key(5), 200)
    few = draw(keys, there, 5, 5)[:, :5]
    np.testing.assert_array_equal(draw(keys, there, 5, 40)[:, :5], few)
    np.testing.assert_array_equal(
        draw(keys, jnp.append(there, jnp.zeros(99, bool)), 5, 9)[:, :5], few
    )


@pytest.mark.parametrize("filled", [0, 1, 5, 29, 30])
def test_a_subset_of_the_first_places_is_the_same_if_they_are_known_to_be(filled):
    there = jnp.arange(30) < filled
    keys = jax.random.split(jax.random.key(6), 200)
    draw = jax.jit(jax.vmap(without_replacement, (0, None, None, None, None)), static_argnums=3)
    num = min(filled, 7)
    looked = draw(keys, there, 7, 7, None)[:, :num]
    np.testing.assert_array_equal(draw(keys, there, 7, 7, jnp.int32(filled))[:, :num], looked)
    assert np.all(np.diff(np.sort(looked, 1), axis=1) > 0) and np.all(looked < filled)


def test_places_are_drawn_evenly_from_many():
    """A thousand of 100,000, beyond which there are none: as many from each tenth."""
    there = jnp.arange(128_000) < 100_000
    draw = jax.jit(jax.vmap(lambda key: without_replacement(key, there, 1000, 1000)))
    chosen = np.asarray(draw(jax.random.split(jax.random.key(2), 100)))
    assert (np.diff(np.sort(chosen, 1), axis=1) > 0).all() and chosen.max() < 100_000
    tenths = np.bincount(chosen.ravel() // 10_000, minlength=10)
    variance = 100 * 1000 * 0.1 * 0.9 * (1 - 1000 / 100_000)  # hypergeometric
    assert (abs(tenths - 10_000) < 4.5 * np.sqrt(variance)).all()


@pytest.mark.parametrize("num", [1, 2, 7, 512])
def test_words_are_those_of_keys(num):
    """Threefry written out makes the words that JAX's own makes for `split`."""
    keys = jax.random.split(jax.random.key(9, impl="threefry2x32"), 5)
    found = jax.jit(jax.vmap(lambda key: words(key, num)))(keys)
    split = jax.vmap(lambda key: jax.random.key_data(jax.random.split(key, -(-num // 2))))(keys)
    np.testing.assert_array_equal(found, split.reshape(5, -1)[:, :num])


@pytest.mark.parametrize("end", [1, 2, 3, 1000, 65_537, 300_000_000, 2**31 - 1])
def test_places_below_an_end_are_the_high_words_of_products(end):
    drawn = words(jax.random.key(3), 10_000)
    places, dropped = jax.jit(places_below)(drawn, jnp.int32(end))
    products = np.asarray(drawn).astype(np.uint64) * end
    np.testing.assert_array_equal(places, products >> 32)
    np.testing.assert_array_equal(dropped, products % 2**32 < 2**32 % end)


def test_a_subset_uses_its_key_once(key_reuse):
    jax.jit(without_replacement, static_argnums=3)(jax.random.key(0), jnp.array(THERE), 3, 4)


def test_words_of_a_key_used_twice(key_reuse):
    """The checker sees them."""

    @jax.jit
    def twice(key):
        return words(key, 4), words(key, 4)

    with pytest.raises(jax.errors.KeyReuseError):
        twice(jax.random.key(0))

"""Counts follow their laws: chi-square of every value, moments, and whatever the route."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ouroboros_jax.draws.counts import CHUNK, FEW, multinomial, poisson, symbols, tally

ALPHA = 1e-5  # of a chi-square test: seeds are fixed, so this says how odd a draw may look
LIMIT = 4.5
DRAW = jax.jit(jax.vmap(multinomial, in_axes=(0, None, 0)))  # compiled once for all below
CHAINS = 20_000


def chi_square(values, law):
    """P-value of whole numbers against a law, cells of 20 and more expected."""
    low, high = int(values.min()), int(values.max())
    edges = [low - 1]
    for x in range(low, high + 1):
        expected = len(values) * (law.cdf(x) - (law.cdf(edges[-1]) if len(edges) > 1 else 0))
        if expected >= 20 and len(values) * law.sf(x) >= 20:
            edges.append(x)
    edges.append(np.inf)
    observed = np.histogram(values, [-np.inf, *(np.array(edges[1:-1]) + 0.5), np.inf])[0]
    cdf = np.array([0.0, *law.cdf(edges[1:-1]), 1.0])
    return stats.chisquare(observed, len(values) * np.diff(cdf)).pvalue


@pytest.mark.parametrize("rate", [0.02, 2.0, 9.5, 10.5, 80.0, 3000.0])
def test_poisson_counts_follow_their_law(rate):
    num = 100_000
    values = np.asarray(jax.jit(poisson)(jax.random.key(0), jnp.full(num, rate)))
    assert values.dtype == np.int32
    law = stats.poisson(float(np.float32(rate)))
    assert chi_square(values, law) > ALPHA
    other = stats.poisson(rate + 20 * np.sqrt(rate / num))
    assert chi_square(values, other) < ALPHA, "no power"


@pytest.mark.parametrize("rate", [1e5, 1e7, 1e9])
def test_poisson_counts_of_large_rates(rate):
    """Mean and variance, where a float32 log-gamma would have no digits left."""
    num = 200_000
    values = np.asarray(jax.jit(poisson)(jax.random.key(1), jnp.full(num, rate))).astype(float)
    scaled = (values - rate) / np.sqrt(rate)
    assert abs(scaled.mean()) < LIMIT / np.sqrt(num) + 32 / np.sqrt(rate)  # a place of float32
    assert abs(scaled.var() - 1) < LIMIT * np.sqrt(2 / num)
    assert np.abs(scaled).max() < 6
    assert stats.kstest(scaled, "norm").pvalue > ALPHA


def test_poisson_of_many_rates_at_once():
    rates = jnp.asarray([0.0, 1e-6, 3.0, 0.0, 50.0, 1e6])
    draw = jax.jit(jax.vmap(partial(poisson, rate=rates)))
    values = np.asarray(draw(jax.random.split(jax.random.key(2), 4000)))
    assert (values[:, [0, 3]] == 0).all() and values[:, 1].sum() == 0
    means = np.array([3, 50, 1e6])
    z = (values[:, [2, 4, 5]].mean(0) - means) / np.sqrt(means / 4000)
    assert np.abs(z).max() < LIMIT


LAW = np.array([0.45, 0.0, 0.3, 0.2, 0.05])


@pytest.mark.parametrize("num", [1, 3, CHUNK + 5, FEW * 5 * 40])
def test_multinomial_counts_follow_their_law(num):
    """Few draws go one by one, many by Poisson counts: each symbol is binomial, pairs covary."""
    keys = jax.random.split(jax.random.key(num), CHAINS)
    values = np.asarray(DRAW(keys, jnp.asarray(LAW, jnp.float32), jnp.full(CHAINS, num)))
    assert values.dtype == np.int32
    assert (values.sum(1) == num).all() and not values[:, 1].any()
    for place in (0, 2, 4):
        assert chi_square(values[:, place], stats.binom(num, LAW[place])) > ALPHA
    product = (values[:, 0] - num * LAW[0]) * (values[:, 2] - num * LAW[2])
    z = (product.mean() + num * LAW[0] * LAW[2]) / (product.std() / np.sqrt(CHAINS))
    assert abs(z) < LIMIT
    if num > 1:
        other = stats.binom(num + max(1, num // 10), LAW[2])
        assert chi_square(values[:, 2], other) < ALPHA, "no power"


def test_numbers_of_draws_may_differ_between_chains():
    """A chain's counts do not depend on how many its neighbours draw."""
    law = jnp.asarray(LAW, jnp.float32)
    nums = jnp.tile(jnp.asarray([0, 7, 1000, 20]), CHAINS // 4)
    keys = jax.random.split(jax.random.key(3), CHAINS)
    together = DRAW(keys, law, nums)
    np.testing.assert_array_equal(together.sum(1), nums)
    for num in (7, 1000):
        alike = np.asarray(nums) == num
        np.testing.assert_array_equal(together[alike], DRAW(keys, law, nums * 0 + num)[alike])


def test_symbols_follow_their_law_to_the_rarest():
    """A symbol of 1e-5 at the end of 1,000 others keeps its probability, and zeros never show."""
    p = np.r_[np.full(499, 2e-3), np.zeros(500), 2e-3 - 1e-5, 1e-5]
    num = 4_000_000
    drawn = np.asarray(jax.jit(symbols, static_argnums=2)(jax.random.key(4), jnp.asarray(p), num))
    counts = np.bincount(drawn, minlength=len(p))
    assert not counts[499:999].any()
    z = (counts - num * p)[p > 0] / np.sqrt(num * p[p > 0])
    assert np.abs(z).max() < LIMIT + 1  # of 501
    assert abs((z**2).sum() - len(z)) < LIMIT * np.sqrt(2 * len(z))


def test_the_first_symbols_do_not_depend_on_how_many_are_drawn():
    law = jnp.asarray(LAW, jnp.float32)
    few, many = (symbols(jax.random.key(5), law, num) for num in (10, 300))
    np.testing.assert_array_equal(few, many[:10])


def test_one_certain_symbol():
    law = jnp.asarray([0.0, 1.0, 0.0])
    assert (symbols(jax.random.key(6), law, 100) == 1).all()
    law = jnp.asarray([0.0, 0.0, 1.0, 0.0, 0.0])
    nums = jnp.tile(jnp.asarray([10, 100_000]), CHAINS // 2)
    found = DRAW(jax.random.split(jax.random.key(7), CHAINS), law, nums)
    np.testing.assert_array_equal(found, nums[:, None] * law.astype(int)[None])


def test_tally():
    points, weights = jnp.asarray([2, 0, 2, 1]), jnp.asarray([1.0, 0.5, 2.0, 0.0])
    np.testing.assert_array_equal(tally(points, weights, 4), [0.5, 0, 3, 0])

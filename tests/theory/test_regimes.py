"""Regimes: published values, limits, and the same number derived in two ways."""

import numpy as np
import pytest

from ouroboros_jax.theory import (
    golden_weight,
    multivariate,
    recursion,
    regimes,
    weighted,
)

G = np.arange(16)


def test_accumulate_keeps_its_product():
    """Generation 29 is t = 30."""
    for n, value in [(10, 0.8462), (100, 0.98395)]:
        curve = regimes.accumulate(29, n)
        np.testing.assert_allclose(curve.variance, value, atol=5e-5)
        np.testing.assert_allclose(curve.variance, regimes.accumulate_product(29, n))
        assert curve.mean_squared_error <= np.pi**2 / (6 * n)
    np.testing.assert_allclose(regimes.accumulate_limit(10), 0.8434, atol=5e-5)
    np.testing.assert_allclose(
        regimes.accumulate_product(10**5, 10), regimes.accumulate_limit(10), atol=1e-6
    )
    unbiased = regimes.accumulate(29, 10, estimator="unbiased").variance
    np.testing.assert_allclose(unbiased, 0.93822, atol=5e-6)


def test_accumulate_of_varying_sizes():
    """E[v] = prod_j (1 - n_j / N_j^2), N_j the pool's size. Derived here."""
    sizes = np.array([7.0, 12, 30, 5])
    product = np.cumprod(1 - sizes / np.cumsum(sizes) ** 2)
    np.testing.assert_allclose(regimes.accumulate(np.arange(4), sizes).variance, product)
    # Kazdan et al.: S <- (t S + u)/(t+1) - u/(n (t+1)^2), u = S tn/(tn-1).
    n, s = 6, 1 - 1 / 6
    for t in range(1, 9):
        u = s * t * n / (t * n - 1)
        s = (t * s + u) / (t + 1) - u / (n * (t + 1) ** 2)
    expected = s * 9 * n / (9 * n - 1)
    found = regimes.accumulate(8, n, estimator="unbiased").variance
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_accumulate_subsample_follows_its_pool():
    curve = regimes.accumulate_subsample(19, 10)
    np.testing.assert_allclose(curve.variance, 0.7495, atol=5e-5)
    np.testing.assert_allclose(curve.mean_squared_error, 0.2505, atol=5e-5)
    np.testing.assert_allclose(regimes.accumulate_subsample(19, 50).variance, 0.9454, atol=5e-5)
    n, pool, expected = 10, 1 - 1 / 10, []
    for t in range(1, 21):
        total = t * n
        a = total * (n - 1) / (n * (total - 1))
        b = (total - n) / (n * (total - 1))
        expected.append(a * pool)
        pool *= 1 - (a / n + b) / (t + 1) ** 2
    np.testing.assert_allclose(
        regimes.accumulate_subsample(np.arange(20), n).variance, expected, rtol=1e-12
    )


def test_variance_ratios():
    g = np.array([1, 2, 3, 5, 10, 20, 100]) - 1
    augment = [1, 1.25, 1.3611, 1.4636, 1.5498, 1.5962, 1.6350]
    subsample = [1, 1.75, 2.0833, 2.3908, 2.6493, 2.7885, 2.9050]
    np.testing.assert_allclose(regimes.accumulate_ratio(g), augment, atol=5.1e-5)
    np.testing.assert_allclose(regimes.accumulate_subsample_ratio(g), subsample, atol=5.1e-5)
    np.testing.assert_array_equal(regimes.replace_ratio(g), g + 1)
    np.testing.assert_allclose(regimes.accumulate_ratio(10**6), np.pi**2 / 6, atol=2e-6)
    np.testing.assert_allclose(
        regimes.accumulate_subsample_ratio(10**6), np.pi**2 / 2 - 2, atol=2e-5
    )


@pytest.mark.parametrize("name", ["replace", "accumulate", "accumulate_subsample"])
def test_exact_errors_tend_to_the_ratios(name):
    errors = getattr(regimes, name)(G, 10**7).mean_squared_error
    ratios = getattr(regimes, f"{name}_ratio")(G)
    np.testing.assert_allclose(errors / errors[0], ratios, rtol=1e-5)


def test_fresh_fixed_points():
    for a, error in [(0.1, 0.0962), (0.5, 0.02632)]:
        point = regimes.fresh_fixed_point(50, a)
        np.testing.assert_allclose(point.mean_squared_error, error, atol=5e-5)
        np.testing.assert_allclose(point.mean_squared_error, 1 / (a * 50 * (2 - a) + 1 - a))
        np.testing.assert_allclose(point.variance, 1 - point.mean_squared_error)
    np.testing.assert_allclose(regimes.fresh_fixed_point(50, 0.1).variance, 0.9038, atol=5e-5)
    # 20 real and 60 synthetic points drawn with a bias.
    for bias, value in [(0.8, 0.6140), (0.5, 0.3954)]:
        point = regimes.fresh_fixed_point(80, 0.25, bias=bias)
        np.testing.assert_allclose(point.variance, value, atol=6e-5)
        curve = regimes.fresh(300, 80, 0.25, bias=bias)
        np.testing.assert_allclose(curve, point, rtol=1e-12)
    # Bernoulli n = 100, p = .3, in units of p (1 - p) = .21.
    split = regimes.fresh_fixed_point(100, 0.1).mean_squared_error
    mixed = regimes.fresh_fixed_point(100, 0.1, random=True).mean_squared_error
    np.testing.assert_allclose(0.21 * split, 0.010553, atol=5e-7)
    np.testing.assert_allclose(0.21 * mixed, 0.010601, atol=5e-7)
    np.testing.assert_allclose(mixed, 1 / (100 * (1 - 0.9**2 * (1 - 1 / 100))))


@pytest.mark.parametrize("random", [False, True])
def test_fresh_contracts_at_its_rate(random):
    curve = (regimes.fresh_random if random else regimes.fresh)(G, 50, 0.1)
    limit = regimes.fresh_fixed_point(50, 0.1, random=random).mean_squared_error
    gaps = limit - curve.mean_squared_error
    rate = regimes.fresh_contraction(50, 0.1, random=random)
    np.testing.assert_allclose(gaps[1:] / gaps[:-1], rate, rtol=1e-9)


def test_effective_sample_size():
    np.testing.assert_allclose(regimes.effective_sample_ratio(10, 90), 1.9)
    assert regimes.effective_sample_ratio(10, 0) == 1


def test_fixed_real_has_a_floor():
    limit = regimes.fixed_real_limit(50, 50)
    np.testing.assert_allclose(limit.mean_squared_error, 0.02649, atol=5e-6)
    np.testing.assert_allclose(regimes.fixed_real(200, 50), limit, rtol=1e-12)
    al, d = 30 / 50, 0.0
    for _ in range(7):
        d = al**2 * (d + (1 - 1 / 20 - d) / 30)
    curve = regimes.fixed_real(7, 30, num_real=20)
    np.testing.assert_allclose(curve.mean_squared_error, 1 / 20 + d)


def test_window_of_models():
    """K = 3, n = 12, t = 15: squared error .3076, E[v] .692."""
    curve = regimes.window(14, 12, 3)
    np.testing.assert_allclose(curve.mean_squared_error, 0.3076, atol=5e-5)
    np.testing.assert_allclose(curve.variance, 0.6924, atol=5e-5)


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
@pytest.mark.parametrize("bias", [1.0, 0.8])
@pytest.mark.parametrize("sizes", [12, [9, 17, 20, 31]])
def test_regimes_obey_the_covariance_recursion(estimator, bias, sizes):
    kwargs = {"estimator": estimator, "bias": bias}
    last = G[-1]
    for name, counts, args in [
        ("replace", recursion.replace_counts(last, sizes), ()),
        ("fresh", recursion.fresh_counts(last, sizes, 0.3), (0.3,)),
        ("fresh", recursion.fresh_counts(last, sizes, 0.0), (0.0,)),
        ("fresh", recursion.fresh_counts(last, sizes, 1.0), (1.0,)),
        ("window", recursion.window_counts(last, sizes, 3), (3,)),
        ("window", recursion.window_counts(last, sizes, 1), (1,)),
        ("window", recursion.window_counts(last, sizes, 50), (50,)),
    ]:
        table = recursion.covariance_recursion(counts, **kwargs)
        curve = getattr(regimes, name)(G, sizes, *args, **kwargs)
        np.testing.assert_allclose(curve.variance, table.variance, rtol=1e-12)
        np.testing.assert_allclose(curve.mean_squared_error, table.mean_squared_error, rtol=1e-12)


@pytest.mark.parametrize("sizes", [12, [9, 17, 20, 31]])
def test_conservation_law(sizes):
    """E[v] + E[(mu - mu0)^2] = std^2, maximum likelihood, no bias: whatever the regime."""
    for curve in [
        regimes.replace(G, sizes, std=3.0),
        regimes.accumulate(G, sizes, std=3.0, num_real=40),
        regimes.accumulate_subsample(G, sizes, std=3.0),
        regimes.fresh(G, sizes, 0.2, std=3.0),
        regimes.fresh_random(G, sizes, 0.2, std=3.0),
        regimes.window(G, sizes, 4, std=3.0),
        regimes.fixed_real(G, sizes, std=3.0, num_real=40),
    ]:
        np.testing.assert_allclose(curve.variance + curve.mean_squared_error, 9.0, rtol=1e-12)


def test_conservation_law_of_an_arbitrary_table():
    rng = np.random.default_rng(0)
    counts = np.tril(rng.integers(0, 9, (12, 12))) + np.eye(12)
    table = recursion.covariance_recursion(counts)
    np.testing.assert_allclose(table.variance + table.mean_squared_error, 1.0)
    same = counts / counts.sum(1, keepdims=True)
    again = recursion.covariance_recursion(counts, weights=same)
    np.testing.assert_allclose(again.covariance, table.covariance)
    weights = np.tril(rng.random((12, 12))) * (counts > 0)
    weights /= weights.sum(1, keepdims=True)
    table = recursion.covariance_recursion(counts, weights=weights)
    np.testing.assert_allclose(table.variance + table.mean_squared_error, 1.0)
    np.testing.assert_allclose(table.covariance, table.covariance.T)
    with pytest.raises(ValueError, match="estimator mle"):
        recursion.covariance_recursion(counts, weights=weights, estimator="unbiased")


def test_weighted_table_gives_the_golden_errors():
    """He, Xu and Cheng's mean error is the covariance recursion with v held at 1."""
    n = 20_000_000  # so large that 1 - v does not matter
    last = 12
    counts = np.diag(np.full(last + 1, n / 2)).astype(float)
    counts[:, 0] += n / 2
    weights = np.where(counts > 0, 0.4, 0.0)
    weights[:, 0], weights[0, 0] = 0.6, 1.0
    table = recursion.covariance_recursion(counts, weights=weights)
    g = np.arange(last + 1)
    expected = weighted.mean_error(g, 0.6, n / 2, n / 2, num_start=n)
    np.testing.assert_allclose(table.mean_squared_error, expected, rtol=1e-6)


def test_window_split_is_exact_and_even():
    for g in range(1, 9):
        for num in (1, 2, 7, 12, 100):
            by_model, real = recursion.window_split(g, num, 4)
            assert by_model.sum() + real == num
            assert len(by_model) == min(g, 4) and (real == 0 or g < 4)
            shares = [*by_model, real] if g < 4 else by_model
            assert max(shares) - min(shares) <= 1


def test_golden_weight():
    phi = (1 + np.sqrt(5)) / 2
    np.testing.assert_allclose(golden_weight(1), 1 / phi)
    np.testing.assert_allclose(golden_weight(np.array([2, 0.5])), [0.732051, 0.5], atol=5e-7)
    np.testing.assert_allclose(weighted.golden_mean_error(100, 100), 0.618034 / 100, atol=5e-9)
    grid = np.linspace(0.01, 1, 99001)
    for n, m in [(100, 100), (200, 100), (100, 200), (10, 1000)]:
        errors = weighted.stationary_mean_error(grid, n, m)
        np.testing.assert_allclose(grid[errors.argmin()], golden_weight(n / m), atol=1.1e-5)
        np.testing.assert_allclose(errors.min(), weighted.golden_mean_error(n, m), rtol=1e-8)
    np.testing.assert_allclose(weighted.stationary_mean_error(0.5, 100, 100), 0.667 / 100, 1e-3)
    spread = weighted.stationary_variance_sd(grid, 100, 100)
    np.testing.assert_allclose(spread[np.abs(grid - 1 / phi).argmin()] ** 2, 0.012529, atol=5e-7)
    np.testing.assert_allclose(grid[spread.argmin()], 0.6202, atol=6e-5)


def test_weighted_transient_reaches_the_stationary_forms():
    kwargs = {"estimator": "unbiased"}
    spread = multivariate.weighted_spread(G, 200, 0.5, "golden", **kwargs)
    w = float(golden_weight(1.0))
    np.testing.assert_allclose(spread.variance, 1.0)
    error = weighted.mean_error(G, w, 100, 100, num_start=200)
    np.testing.assert_allclose(spread.mean_squared_error, error)
    sd = weighted.variance_sd(G, w, 100, 100, num_start=200)
    np.testing.assert_allclose(spread.variance_sd, sd)
    np.testing.assert_allclose(
        weighted.variance_sd(400, w, 100, 100), weighted.stationary_variance_sd(w, 100, 100)
    )
    assert np.isnan(multivariate.weighted_spread(2, 10, 0.0, 0.5).variance)


def test_accumulate_spread_has_the_regimes_means():
    for kwargs in ({}, {"estimator": "unbiased", "bias": 0.7, "num_real": 30, "std": 2.0}):
        spread = multivariate.accumulate_spread(G, [9, 17, 20], 3, **kwargs)
        curve = regimes.accumulate(G, [9, 17, 20], **kwargs)
        np.testing.assert_allclose(spread.variance, curve.variance)
        np.testing.assert_allclose(spread.mean_squared_error, 3 * curve.mean_squared_error)


def test_real_shares_round_half_up():
    for fraction, num, real in [(0.15, 10, 2), (0.29, 50, 15), (0.1, 4, 0), (0.3, 5, 2)]:
        table = recursion.fresh_counts(1, num, fraction)
        np.testing.assert_array_equal(table, [[num, 0], [real, num - real]])

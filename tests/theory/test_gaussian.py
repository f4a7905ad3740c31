"""Closed forms against published values, and against one another."""

import numpy as np
import pytest

from ouroboros_jax.theory import gaussian, multivariate, tails


@pytest.mark.parametrize(
    ("n", "c4", "unbiased", "mle", "diffusion"),
    [
        (10, 0.9726593, -0.1152065, -0.2205670, 0.2487251),
        (100, 0.9974780, -0.0101350, -0.0201854, 0.0204075),
        (1000, 0.9997498, -0.00100134, -0.00200184, 0.00200401),
    ],
)
def test_constants_of_one_fit(n, c4, unbiased, mle, diffusion):
    np.testing.assert_allclose(gaussian.c4(n), c4, atol=6e-8)
    np.testing.assert_allclose(gaussian.log_drift(n, estimator="unbiased"), unbiased, atol=6e-8)
    np.testing.assert_allclose(gaussian.log_drift(n, estimator="mle"), mle, atol=6e-8)
    np.testing.assert_allclose(gaussian.log_diffusion(n), diffusion, atol=6e-8)


def test_twenty_fits_to_ten_points():
    """The reference case: n = 10, k = 20, so generation 19."""
    mle, unbiased = {"estimator": "mle"}, {"estimator": "unbiased"}
    for form, values in [
        (gaussian.expected_variance, (0.1216, 1.0)),
        (gaussian.expected_std, (0.20028, 0.57440)),
        (gaussian.expected_mean_squared_error, (0.8784, 2.0)),
        (gaussian.expected_w2_squared, (1.5994, 2.851)),
        (gaussian.expected_kl, (2.2057, 2.152)),
    ]:
        for kwargs, value in zip((mle, unbiased), values, strict=True):
            np.testing.assert_allclose(form(19, 10, **kwargs), value, rtol=4e-4)
    np.testing.assert_allclose(gaussian.expected_log_variance(19, 10), -4.4113, atol=6e-5)
    np.testing.assert_allclose(gaussian.variance_log_variance(19, 10), 4.975, atol=6e-4)
    np.testing.assert_allclose(gaussian.second_moment_variance(19, 10, **unbiased), 55.3, atol=0.05)


@pytest.mark.parametrize(("n", "k", "value"), [(10, 20, 7.4), (100, 20, 0.70), (100, 200, 7.3)])
def test_relative_spread_of_the_variance(n, k, value):
    np.testing.assert_allclose(gaussian.relative_sd_variance(k - 1, n), value, rtol=0.01)
    moments = [f(k - 1, n) for f in (gaussian.second_moment_variance, gaussian.expected_variance)]
    again = np.sqrt(moments[0] / moments[1] ** 2 - 1)
    np.testing.assert_allclose(gaussian.relative_sd_variance(k - 1, n), again, rtol=1e-9)


def test_forms_of_the_table():
    g, n = np.arange(30), 7
    k = g + 1
    np.testing.assert_allclose(gaussian.expected_variance(g, n), (1 - 1 / n) ** k)
    np.testing.assert_allclose(gaussian.expected_mean_squared_error(g, n), 1 - (1 - 1 / n) ** k)
    np.testing.assert_allclose(gaussian.second_moment_variance(g, n), (1 - 1 / n**2) ** k)
    np.testing.assert_allclose(
        gaussian.second_moment_variance(g, n, estimator="unbiased"), ((n + 1) / (n - 1)) ** k
    )
    np.testing.assert_allclose(
        gaussian.expected_std(g, n), (gaussian.c4(n) * np.sqrt(1 - 1 / n)) ** k
    )
    np.testing.assert_allclose(
        gaussian.expected_w2_squared(g, n), 2 * (1 - gaussian.expected_std(g, n))
    )
    kl = gaussian.expected_kl(g, n, estimator="unbiased")
    np.testing.assert_allclose(kl, (k / n - k * gaussian.log_drift(n, estimator="unbiased")) / 2)


def test_worked_risk_of_eleven_fits():
    """M = 100 points, 11 fits: .1650 to leading order, .16479 exactly."""
    np.testing.assert_allclose(gaussian.leading_risk(10, 100), 0.1650)
    exact = gaussian.expected_w2_squared(10, 100, estimator="unbiased")
    np.testing.assert_allclose(exact, 0.16479, atol=5e-6)


def test_risk_of_varying_sizes():
    sizes = [20, 50, 90, 400]
    exact = gaussian.expected_w2_squared(3, sizes, estimator="unbiased", std=2.0)
    inverse = sum(1 / m for m in sizes)
    product = np.prod([gaussian.c4(m) for m in sizes])
    np.testing.assert_allclose(exact, 4 * (inverse + 2 - 2 * product))
    np.testing.assert_allclose(gaussian.leading_risk(3, sizes), 1.5 * inverse)


def test_sampling_bias_starts_after_real_data():
    """E = lambda^g, error 1/n + (lambda/n)(1 - lambda^g)/(1 - lambda); n = 50, lambda = .9."""
    kwargs = {"estimator": "unbiased", "bias": 0.9}
    np.testing.assert_allclose(gaussian.expected_variance(10, 50, **kwargs), 0.3487, atol=5e-5)
    error = gaussian.expected_mean_squared_error(10, 50, **kwargs)
    np.testing.assert_allclose(error - 1 / 50, 0.1172, atol=5e-5)


def test_large_samples_keep_their_digits():
    """c4 = 1 - 1/(4n) - 7/(32n^2) - 19/(128n^3) - ...; W2^2 of one fit is about 3/(2n)."""
    n = np.array([1e3, 1e4, 1e5, 1e6, 1e7])
    series = 1 / (4 * n) + 7 / (32 * n**2) + 19 / (128 * n**3)
    np.testing.assert_allclose(1 - gaussian.c4(n), series, rtol=2e-8)
    for size in (10**3, 10**5, 10**7):
        g = np.arange(20)
        risk = gaussian.expected_w2_squared(g, size, estimator="unbiased")
        np.testing.assert_allclose(risk, gaussian.leading_risk(g, size), rtol=30 / size + 1e-7)
    # One fit: n W2^2 -> Z1^2 + Z2^2 / 2, of variance 2 + 1/2.
    for size in (10**4, 10**5, 10**6):
        sd = gaussian.sd_w2_squared(0, size, estimator="unbiased")
        np.testing.assert_allclose(size * sd, np.sqrt(2.5), rtol=0.01)
    assert np.isnan(gaussian.sd_w2_squared(0, 10**7))


def test_log_gamma_ratio_joins_its_branches():
    from scipy.special import gammaln

    x = np.array([0.5, 5.0, 29.9, 30.1, 31.0, 80.0, 200.0])[:, None]
    a = np.array([-0.3, 0.35, 0.5, 2.0, 40.0])[None]
    direct = gammaln(x + a) - gammaln(x) - a * np.log(x)
    np.testing.assert_allclose(gaussian._log_gamma_ratio(x, a), direct, atol=5e-13)
    assert gaussian._log_gamma_ratio(1.0, -1.0) == np.inf


def test_half_lives():
    lives = gaussian.median_half_life(np.array([10, 100, 1000]))
    np.testing.assert_array_equal(np.round(lives), [12, 137, 1384])
    g = round(float(lives[1])) - 1
    median = gaussian.median_variance(g, 100, estimator="unbiased")
    np.testing.assert_allclose(np.sqrt(median), 0.5, rtol=5e-3)


def test_scale_of_the_truth_and_sizes_of_the_start():
    """std scales every form as its dimension says; `num_real` is the first fit's size."""
    for form, degree in [
        (gaussian.expected_variance, 2),
        (gaussian.expected_std, 1),
        (gaussian.second_moment_variance, 4),
        (gaussian.expected_mean_squared_error, 2),
        (gaussian.expected_w2_squared, 2),
        (gaussian.sd_w2_squared, 2),
        (gaussian.expected_kl, 0),
    ]:
        one, three = form(6, 9, bias=0.8), form(6, 9, bias=0.8, std=3.0)
        np.testing.assert_allclose(three, 3.0**degree * one, rtol=1e-12)
        listed = form(6, [40, 9], bias=0.8)
        np.testing.assert_allclose(form(6, 9, num_real=40, bias=0.8), listed, rtol=1e-12)


def test_schedules_lists_and_numbers_agree():
    class Linear:
        def at(self, generations):
            return 10.2 + 5 * np.asarray(generations)

    listed = gaussian.expected_std(np.arange(5), [10, 15, 20, 25, 30])
    np.testing.assert_array_equal(gaussian.expected_std(np.arange(5), Linear()), listed)
    assert gaussian.expected_std(3, 10).shape == ()


@pytest.mark.parametrize(
    ("k", "clt", "suresh", "fixed", "best", "bertrand"),
    [
        (40, 0.4996, 1, 1, 1, 1),
        (80, 0.1506, 1, 0.651, 0.580, 1),
        (120, 0.0457, 0.461, 0.235, 0.232, 0.359),
        (200, 0.0045, 0.0593, 0.0305, 0.0295, 0.0391),
    ],
)
def test_tail_bounds_of_ten_points(k, clt, suresh, fixed, best, bertrand):
    g, n, eps = k - 1, 10, 0.1
    np.testing.assert_allclose(tails.clt_tail(g, n, eps), clt, atol=5e-5)
    np.testing.assert_allclose(tails.suresh_bound(g, n, eps), suresh, rtol=2e-3)
    np.testing.assert_allclose(tails.chernoff_bound(g, n, eps, power=0.7), fixed, rtol=2e-3)
    np.testing.assert_allclose(tails.chernoff_bound(g, n, eps), best, rtol=2e-3)
    np.testing.assert_allclose(tails.bertrand_bound(g, n, eps), bertrand, rtol=2e-3)


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
@pytest.mark.parametrize("num_samples", [10, [30, 20, 10, 40]])
def test_best_power_is_best(estimator, num_samples):
    g = np.array([5, 60, 300])
    best = tails.chernoff_bound(g, num_samples, 0.2, estimator=estimator)
    powers = np.linspace(0.01, 8, 400)
    tried = [
        tails.chernoff_bound(g, num_samples, 0.2, power=p, estimator=estimator) for p in powers
    ]
    assert (best <= np.min(tried, axis=0) * (1 + 1e-9)).all()
    np.testing.assert_allclose(best, np.min(tried, axis=0), rtol=2e-3)


def test_bound_on_c4_behind_the_tail_rate():
    n = np.arange(2, 20001)
    assert (np.log(gaussian.c4(n)) <= -1 / (4 * n - 1)).all()


def test_survival_bound_counts_fits_since_the_original():
    """Relative to generation 0 there are g fits, relative to the truth g + 1."""
    g = np.arange(200)
    start = tails.collapse_survival_bound(g, 10, 0.01)
    truth = tails.collapse_survival_bound(g, 10, 0.01, relative_to="truth")
    assert start[0] == 1.0 and (np.diff(start) <= 1e-12).all()
    np.testing.assert_allclose(start[1:], truth[:-1], rtol=1e-9)
    np.testing.assert_allclose(truth, tails.chernoff_bound(g, 10, 0.1), rtol=1e-9)


def test_three_dimensions():
    """d = 3, n = 20, k = 5."""
    np.testing.assert_allclose(multivariate.expected_det(4, 20, 3), 0.2027, atol=5e-5)
    np.testing.assert_allclose(multivariate.expected_log_det(4, 20, 3), -2.446, atol=5e-4)
    spread = multivariate.replace_spread(4, 20, 3)
    np.testing.assert_allclose(3 * spread.variance, 2.321, atol=5e-4)
    np.testing.assert_allclose(spread.mean_squared_error, 0.679, atol=5e-4)


def test_one_dimension_is_a_special_case():
    g = np.arange(12)
    for kwargs in ({}, {"estimator": "unbiased", "bias": 0.9}, {"num_real": 30, "std": 2.0}):
        n = 8
        spread = multivariate.replace_spread(g, n, **kwargs)
        variance = gaussian.expected_variance(g, n, **kwargs)
        np.testing.assert_allclose(spread.variance, variance)
        np.testing.assert_allclose(
            spread.mean_squared_error, gaussian.expected_mean_squared_error(g, n, **kwargs)
        )
        second = gaussian.second_moment_variance(g, n, **kwargs)
        np.testing.assert_allclose(spread.variance_sd, np.sqrt(second - variance**2))
        np.testing.assert_allclose(
            multivariate.expected_log_det(g, n, 1, **kwargs),
            gaussian.expected_log_variance(g, n, **kwargs),
        )
        np.testing.assert_allclose(multivariate.expected_det(g, n, 1, **kwargs), variance)


def test_singular_covariances():
    """n <= D: the determinant is 0 from the first fit, the trace is not."""
    assert multivariate.expected_det(0, 5, 5) == 0
    assert multivariate.expected_log_det(0, 5, 5) == -np.inf
    assert np.isnan(multivariate.variance_log_det(0, 5, 5))
    assert multivariate.replace_spread(0, 5, 5).variance == pytest.approx(0.8)


def test_long_runs_neither_underflow_early_nor_warn():
    g = np.array([0, 100, 20000])
    logs = gaussian.expected_log_variance(g, 10)
    assert np.isfinite(logs).all() and logs[2] < -4000
    assert gaussian.expected_variance(g, 10)[2] < 1e-300
    assert gaussian.second_moment_variance(g, 2, estimator="unbiased")[2] == np.inf
    assert multivariate.replace_spread(g, 2, estimator="unbiased").variance[2] == 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: gaussian.expected_variance(-1, 10), "generation must be 0 or more, got -1"),
        (lambda: gaussian.expected_variance(1.5, 10), "generation must be integers"),
        (lambda: gaussian.expected_variance(1, 10, estimator="map"), "estimator must be one of"),
        (lambda: gaussian.expected_variance(1, [9, 1]), "num_samples must be 2 or more, got 1"),
        (lambda: tails.collapse_survival_bound(1, 10, 0.1, relative_to="x"), "relative_to"),
    ],
)
def test_bad_arguments_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()

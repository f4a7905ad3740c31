"""The density loop's recursions: published checks, limits, brute force."""

import numpy as np
import pytest

from ouroboros_jax.theory import kde


def test_numbers():
    """At n = 40, h = .3: 2.3239 after 30 resamples, and 1.196 after 20 under accumulate."""
    assert kde.replace(30, 40).points == pytest.approx(2.3239, abs=5e-5)
    assert kde.accumulate(20, 40).points == pytest.approx(1.196, abs=5e-4)


@pytest.mark.parametrize(("n", "h"), [(40, 0.3), (10, 0.2), (5, 1.0)])
def test_closed_forms(n, h):
    g = np.arange(60)
    fixed = kde.fixed_point(n, h)
    found = kde.replace(g, n, bandwidth=h)
    expected = fixed + (1 - 1 / n) ** g * (1 - 1 / n - fixed)
    np.testing.assert_allclose(found.points, expected, rtol=1e-12)
    np.testing.assert_allclose(found.variance, expected + h * h, rtol=1e-12)
    assert kde.replace(20_000, n, bandwidth=h).points == pytest.approx(fixed)

    v = 1 - 1 / n
    for t in range(1, 60):
        v += h * h / (t + 1) - (v + h * h) / (n * (t + 1) ** 2)
    assert kde.accumulate(59, n, bandwidth=h).points == pytest.approx(v)


def test_it_expands_or_shrinks_to_the_same_limit():
    assert kde.fixed_point(40, 0.3) == pytest.approx(3.51)
    assert kde.replace(1, 40, bandwidth=0.3).points > kde.replace(0, 40, bandwidth=0.3).points
    assert kde.replace(1, 40, bandwidth=0.1).points < kde.replace(0, 40, bandwidth=0.1).points


def test_nothing_is_lost_of_the_second_moment():
    """E[points' variance] + E[(mean - truth)^2] grows by c a generation, and by nothing else."""
    g = np.arange(30)
    found = kde.replace(g, (20, 7, 11), bandwidth=0.5)
    np.testing.assert_allclose(found.points + found.mean_squared_error, 1 + 0.25 * g)


def test_accumulate_grows_like_a_logarithm():
    found = kde.accumulate(np.array([1000, 10_000]), 1000, bandwidth=0.5).points
    assert np.diff(found)[0] == pytest.approx(0.25 * np.log(10), rel=0.01)


def test_rules_and_kernels():
    assert kde.bandwidth_by_rule("scott", 100, num_features=2) == pytest.approx(100 ** (-1 / 6))
    silverman = kde.bandwidth_by_rule("silverman", 100, num_features=1)
    assert silverman == pytest.approx(75 ** (-1 / 5))
    assert kde.kernel_variance(3.0, num_features=1, kernel="tophat") == pytest.approx(3.0)
    assert kde.replace(3, 50, rule="scott").variance == pytest.approx(
        kde.replace(3, 50, bandwidth=50**-0.2).variance
    )
    # Under accumulate the rule's bandwidth shrinks as the pool grows.
    scott = kde.accumulate(np.arange(3), 50, rule="scott")
    np.testing.assert_allclose(scott.variance - scott.points, np.array([50, 100, 150.0]) ** -0.4)


def test_features_have_variances_of_their_own():
    found = kde.accumulate(np.arange(4), 30, variance=np.array([1.0, 9.0]))
    assert found.points.shape == (4, 2)
    alone = kde.accumulate(np.arange(4), 30, variance=9.0)
    for whole, part in zip(found, alone, strict=True):
        np.testing.assert_allclose(whole[:, 1], part)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: kde.replace(1, 1), "num_samples must be 2 or more"),
        (lambda: kde.kernel_variance(1, kernel="box"), "kernel must be one of gaussian, tophat"),
        (lambda: kde.bandwidth_by_rule("fixed", 3), "rule must be one of scott, silverman"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

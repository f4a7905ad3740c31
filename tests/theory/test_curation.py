"""Choosing by a reward, and verifying: brute force, limits, the numbers."""

import itertools

import numpy as np
import pytest

from ouroboros_jax.theory import curation, weighted


def random_instance(seed, size=4):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(size)), rng.normal(size=size) * 2


@pytest.mark.parametrize("choices", [1, 2, 3, 5])
def test_the_update_is_what_sampling_and_choosing_gives(choices):
    """Against all ordered draws, gone through one by one."""
    p, r = random_instance(choices)
    expected = np.zeros(4)
    for drawn in itertools.product(range(4), repeat=choices):
        drawn = list(drawn)
        worth = np.exp(r[drawn])
        np.add.at(expected, drawn, np.prod(p[drawn]) * worth / worth.sum())
    np.testing.assert_allclose(curation.curated(p, r, choices), expected, atol=1e-15)


def test_limits():
    p, r = random_instance(0)
    np.testing.assert_allclose(curation.curated(p, r, 1), p)
    np.testing.assert_allclose(curation.curated(p, np.full(4, 3.0), 4), p)
    far = np.abs(curation.curated(p, r, 60) - curation.curated_limit(p, r)).max()
    near = np.abs(curation.curated(p, r, 6) - curation.curated_limit(p, r)).max()
    assert far < 0.02 and far < near
    np.testing.assert_allclose(
        curation.curated(p, r + 1000, 3), curation.curated(p, r, 3), rtol=1e-9
    )


def test_the_expected_reward_gains_at_least_the_bound():
    for seed in range(200):
        p, r = random_instance(seed)
        gain = (curation.curated(p, r, 2) - p) @ np.exp(r)
        assert gain >= curation.least_gain(p, r, 2) - 1e-12


def test_repeated_curation_ends_at_the_best_outcome():
    p, r = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 2.0])
    for _ in range(200):
        p = curation.curated(p, r, 3)
    np.testing.assert_allclose(p, [0, 0, 1], atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="choices must be 1 or more, got 0"):
        curation.curated([0.5, 0.5], [0, 1], 0)
    with pytest.raises(ValueError, match="are 75,287,520 combinations"):
        curation.curated(np.full(96, 1 / 96), np.zeros(96), 6)


def test_verification():
    assert curation.verification_threshold(1, 0.5) == pytest.approx(2 / 3)
    assert curation.verification_threshold(0.9, 0.3) == pytest.approx(0.75)
    for phi, psi in ((1, 0.5), (0.9, 0.3), (0.4, 0.4)):
        threshold = curation.verification_threshold(phi, psi)
        assert curation.kept_error(threshold, phi, psi) == pytest.approx(0.5)
        assert curation.kept_error(threshold - 0.05, phi, psi) < 0.5


@pytest.mark.slow
def test_a_linear_classifier_flips_at_the_threshold():
    """Least squares on pruned labels of two far Gaussians, just below and just above."""
    rng = np.random.default_rng(0)
    phi, psi, d, n = 1.0, 0.5, 50, 40_000
    direction = rng.standard_normal(d) / np.sqrt(d)
    for shift, right in ((-0.08, True), (0.08, False)):
        error = curation.verification_threshold(phi, psi) + shift
        y = rng.choice([-1, 1], n)
        x = 4 * y[:, None] * direction + rng.standard_normal((n, d))
        wrong = rng.random(n) < error
        kept = rng.random(n) < np.where(wrong, psi, phi)
        labels = np.where(wrong, -y, y)
        w = np.linalg.lstsq(x[kept], labels[kept], rcond=None)[0]
        accuracy = (np.sign(x @ w) == y).mean()
        assert (accuracy > 0.99) if right else (accuracy < 0.01)


# The golden ratio


@pytest.mark.parametrize(("ratio", "expected"), [(1, 0.618034), (2, 0.732051), (0.5, 0.5)])
def test_golden_weight(ratio, expected):
    best = float(weighted.golden_weight(ratio))
    assert best == pytest.approx(expected, abs=5e-7)
    real, synthetic = 100 * ratio, 100
    w = np.linspace(0.001, 1, 200_001)
    values = weighted.stationary_mean_error(w, real, synthetic)
    assert w[values.argmin()] == pytest.approx(best, abs=1e-5)
    assert values.min() == pytest.approx(best / real, rel=1e-8)


def test_golden_beats_equal_weights_and_real_data_alone():
    value = [float(weighted.stationary_mean_error(w, 100, 100)) * 100 for w in (0.618034, 0.5, 1)]
    np.testing.assert_allclose(value, [0.618034, 2 / 3, 1], rtol=1e-6)

"""Discrete closed forms against published numbers, brute force and each other."""

import numpy as np
import pytest
from scipy import stats

from ouroboros_jax.theory import discrete, heat_death, poisson, regimes, wright_fisher

K = np.array([1, 2, 5, 10, 20, 50])
ZIPF = 1 / (np.arange(1, 51) + 2.7)
ZIPF /= ZIPF.sum()
SOME = np.array([1, 5, 10, 30]) - 1


def test_survival_rates():
    k = np.array([1, 2, 3, 5, 10, 20, 50, 100, 500])
    published = [1, 0.632121, 0.468536, 0.312080, 0.172255, 0.091645, 0.038377, 0.019543, 0.003977]
    np.testing.assert_allclose(poisson.survival_rate(k - 1), published, atol=5e-7)
    every = np.arange(20_000)
    low, high = poisson.survival_rate_bounds(every)
    rates = poisson.survival_rate(every)
    assert (low <= rates).all() and (rates <= high).all()
    late = poisson.survival_rate(every[99:]) / poisson.survival_rate_limit(every[99:])
    np.testing.assert_allclose(late, 1, atol=1e-4)


def test_poisson_survival():
    g = np.array([5, 10, 50]) - 1
    found = poisson.survival(g, 10, 1.0)
    np.testing.assert_allclose(found, [0.9559, 0.8214, 0.3187], atol=6e-5)
    np.testing.assert_allclose(found, 1 - np.exp(-10 * poisson.survival_rate(g)))
    # The whole chain, counts cut off far beyond what occurs, real points and sizes that vary.
    sizes, share, rate, states = [6, 4, 5], [1.0, 0.25, 0.4], 0.5, np.arange(60)
    law = stats.poisson.pmf(states, 7 * rate)
    survived = [1 - law[0]]
    for t in (1, 2):
        last = 7 if t == 1 else sizes[t - 1]
        mean = share[t] * sizes[t] * rate + (1 - share[t]) * sizes[t] * states / last
        law = law @ stats.poisson.pmf(states[None], mean[:, None])
        survived.append(1 - law[0])
    found = poisson.survival(np.arange(3), sizes, rate, num_real=7, real_share=share)
    np.testing.assert_allclose(found, survived, rtol=1e-9)


def test_poisson_errors():
    """Var(rate) / lambda: k/n under `replace`, sum 1/(n j^2) accumulated."""
    table = np.diag(np.full(8, 25.0))
    np.testing.assert_allclose(poisson.redrawn_error(table), (np.arange(8) + 1) / 25)
    kept = poisson.kept_error(np.full(8, 25.0))
    np.testing.assert_allclose(kept, np.cumsum(1 / np.arange(1, 9) ** 2) / 25)
    fixed = poisson.fixed_real_error(np.r_[40.0, np.full(200, 60.0)])
    al2 = (60 / 100) ** 2
    assert fixed[-1] == pytest.approx(1 / 40 + al2 / 60 / (1 - al2))


def test_bernoulli_survival_and_its_bounds():
    exact = {
        100: [0.633968, 0.470947, 0.271007, 0.161389, 0.090869, 0.041122],
        1000: [0.632305, 0.468776, 0.268368, 0.158547, 0.087894, 0.037980],
    }
    lower = [0.632121, 0.468536, 0.268077, 0.158235, 0.087571, 0.037650]
    for n, values in exact.items():
        found = wright_fisher.survival(K - 1, n, [1 / n])[:, 0]
        np.testing.assert_allclose(found, values, atol=6e-7)
        low, high = discrete.survival_bounds(K - 1, n, 1 / n)
        np.testing.assert_allclose(low, lower, atol=6e-7)
        assert (low <= found).all() and (found <= high).all()
    for p in (0.01, 0.1, 0.4):  # neither 0 nor 1, of both brackets
        both = wright_fisher.expected(K - 1, 60, [p], lambda q: ((q > 0) & (q < 1)).astype(float))[
            :, 0
        ]
        for low, high in (
            discrete.both_survive_bounds(K - 1, 60, p),
            discrete.seddik_both_survive_bounds(K - 1, 60, p),
        ):
            assert (low <= both + 1e-12).all() and (both <= high + 1e-12).all()


def test_surviving_symbols():
    exact = wright_fisher.survival(SOME, 100, ZIPF).sum(1)
    np.testing.assert_allclose(exact, [36.97, 20.27, 13.40, 5.94], atol=6e-3)
    low, high = discrete.surviving_bounds(SOME, 100, ZIPF)
    np.testing.assert_allclose(low, [36.88, 20.05, 13.13, 5.61], atol=6e-3)
    assert (low <= exact).all() and (exact <= high).all()
    assert high[0] < low[0] + 1  # tight at first


def test_a_large_n_is_cut_off_without_error():
    def is_alive(shares):
        return (shares > 0).astype(float)

    for n, first in ((1500, None), (700, 2000), (300, 100)):
        args = (np.arange(3), n, [0.002, 0.01])
        whole = wright_fisher.expected(*args, is_alive, num_real=first)
        assert wright_fisher.uncertain_counts(2, n, first) < max(n, first or n) or n == 300
        np.testing.assert_allclose(wright_fisher.survival(*args, num_real=first), whole, atol=1e-14)
    with pytest.raises(ValueError, match="uncertain"):
        wright_fisher.survival([500], 10**6, [0.1])
    rare = wright_fisher.survival(K[:4] - 1, 10**6, [1e-6])[:, 0]  # Poisson's limit
    np.testing.assert_allclose(rare, -np.expm1(-poisson.survival_rate(K[:4] - 1)), atol=2e-6)


def test_survival_with_real_points_by_brute_force():
    n, r, p, first = 6, 2, 0.15, 9
    law = stats.binom.pmf(np.arange(first + 1), first, p)
    shares, survived = np.arange(first + 1) / first, [1 - law[0]]
    for _ in range(4):
        after = np.zeros(n + 1)
        for share, weight in zip(shares, law, strict=True):
            for real in range(r + 1):
                for drawn in range(n - r + 1):
                    after[real + drawn] += (
                        weight * stats.binom.pmf(real, r, p) * stats.binom.pmf(drawn, n - r, share)
                    )
        law, shares = after, np.arange(n + 1) / n
        survived.append(1 - law[0])
    found = wright_fisher.survival_with_real(np.arange(5), n, r, [p], num_real=first)[:, 0]
    np.testing.assert_allclose(found, survived, rtol=1e-12)


def test_absorption_and_fixation():
    times = {100: wright_fisher.absorption_times(100), 50: wright_fisher.absorption_times(50)}
    assert times[100][50] == pytest.approx(136.60, abs=5e-3)
    assert times[100][10] == pytest.approx(63.45, abs=5e-3)
    assert times[50][10] == pytest.approx(48.46, abs=5e-3)
    diffusion = wright_fisher.diffusion_absorption_time(np.array([100, 100, 50]), [0.5, 0.1, 0.2])
    np.testing.assert_allclose(diffusion, [138.63, 65.02, 50.04], atol=5e-3)
    fixed = wright_fisher.fixation_probabilities(100)
    np.testing.assert_allclose(fixed, np.arange(101) / 100, atol=1e-13)
    # And the time's lower and upper bounds, of two symbols drawn from a truth of 0.3.
    start = wright_fisher._start(50, [0.3], 51)[0]
    low, high = discrete.collapse_time_bounds(50, [0.3, 0.7])
    assert low <= 1 + start @ times[50] <= high


def test_totals():
    found = discrete.expected_squared_norm(SOME, 100, ZIPF)
    np.testing.assert_allclose(found, [0.04660, 0.08416, 0.12905, 0.28764], atol=6e-6)
    exact = 1 - wright_fisher.expected(SOME, 100, ZIPF, np.square).sum(1)
    np.testing.assert_allclose(1 - found, exact, rtol=1e-12)
    alone = wright_fisher.expected(SOME, 100, ZIPF, lambda q: (q == 1).astype(float)).sum(1)
    low, high = discrete.collapse_probability_bounds(SOME, 100, ZIPF)
    assert (low <= alone).all() and (alone <= high).all()
    late = np.array([800])
    alone = wright_fisher.expected(late, 100, ZIPF, lambda q: (q == 1).astype(float)).sum(1)
    low, high = discrete.collapse_probability_bounds(late, 100, ZIPF)
    assert 0 < low[0] <= alone[0] <= high[0] < 1


def test_heterozygosity_in_every_regime():
    kept = discrete.retained_heterozygosity
    g = np.arange(8)
    np.testing.assert_allclose(kept(g, 20), (1 - 1 / 20) ** (g + 1))
    products = np.cumprod(1 - 1 / (10 * (np.arange(20) + 1.0) ** 2))
    np.testing.assert_allclose(kept(np.arange(20), 10, "accumulate"), products)
    assert kept(14, 12, "window", window=3) == pytest.approx(0.6924, abs=5e-5)
    real = kept(200, 100, "fresh", real_fraction=0.1)
    assert real == pytest.approx(1 - 1 / (0.1 * 100 * 1.9 + 0.9))
    # Two ways to the same numbers.
    for regime, twin in (("accumulate_fresh", "accumulate"), ("fresh", "replace")):
        np.testing.assert_allclose(kept(g, 20, regime, real_fraction=0.0), kept(g, 20, twin))
    equal = kept(g, 20, "weighted", real_fraction=0.5, real_weight=0.5)
    np.testing.assert_allclose(equal, kept(g, 20, "fresh", real_fraction=0.5))
    all_real = kept(g, 20, "accumulate_fresh", real_fraction=1.0)
    np.testing.assert_allclose(all_real, 1 - 1 / (20 * (g + 1)))
    golden = kept(300, 20, "weighted", real_fraction=0.5, real_weight="golden")
    others = [kept(300, 20, "weighted", real_fraction=0.5, real_weight=w) for w in (0.5, 0.7, 1.0)]
    assert golden > max(others)
    with pytest.raises(ValueError, match="real_fraction"):
        kept(g, 20, "fresh")
    with pytest.raises(ValueError, match="regime='other'"):
        kept(g, 20, "other")


def test_fixed_real_points():
    """Two recursions, one published and one of the Gaussian's."""
    found = discrete.fixed_real_squared_norm(np.arange(20), 200, 100, ZIPF)
    twin = discrete.expected_squared_norm(
        np.arange(20), 200, ZIPF, regime="fixed_real", num_real=100
    )
    np.testing.assert_allclose(found, twin, rtol=1e-12)


def test_urns():
    """The urn that starts from its counts, and the loop that starts from a sample: one product."""
    start = np.array([4, 3, 2, 1]) / 10
    urn = heat_death.urn_heterozygosity(np.arange(41), start, 10, 5)
    kept = discrete.retained_heterozygosity(
        np.arange(41), 5, "accumulate_fresh", real_fraction=0.0, num_real=10
    )
    np.testing.assert_allclose(kept / kept[0], urn / urn[0], rtol=1e-12)
    assert urn[40] == pytest.approx(0.6496, abs=5e-5)
    share = discrete.polya_limit([1, 1])[0]
    np.testing.assert_allclose(share.ppf([0.1, 0.25, 0.5]), [0.1, 0.25, 0.5])
    limits = discrete.polya_limit([12, 9, 6, 3])
    assert [law.mean() for law in limits] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    # Heterozygosity of the urn's end: H_0 N / (N + 1) for Dirichlet(counts).
    late = heat_death.urn_heterozygosity(200_000, np.array([1, 1]) / 2, 2, 1)
    assert late == pytest.approx(1 / 3, abs=1e-4)


def test_symbols_seen_and_half_lives():
    found = discrete.seen_symbols([0, 3, 10], [0.2, 1.0])
    np.testing.assert_allclose(found, [[0, 0], [1 - 0.8**3, 1], [1 - 0.8**10, 1]])
    count = 40
    g = int(discrete.half_life(count))
    alive = 1 - np.exp(-count * poisson.survival_rate(g))
    assert alive == pytest.approx(0.5, abs=0.02)
    assert discrete.half_life(count) == pytest.approx(2 * count / np.log(2))


def test_the_gaussian_twin():
    """Wherever a Gaussian's regime is a recursion, symbols follow the same one."""
    curve = regimes.accumulate_subsample(np.arange(6), 15)
    found = discrete.retained_heterozygosity(np.arange(6), 15, "accumulate_subsample")
    np.testing.assert_array_equal(found, curve.variance)

"""Closed forms of heat death against published numbers, iteration and brute force."""

import numpy as np
import pytest

from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.heat_death_laws import heat_death_laws

THRESHOLDS = {  # a_g by temperature, for 2, 3, 5, 20, 100 and 1,000 outcomes
    0.5: (0.5, 0.51472, 0.55556, 0.69643, 0.83403, 0.94054),
    0.8: (0.2, 0.20794, 0.23096, 0.32490, 0.45442, 0.62523),
    0.9: (0.1, 0.10424, 0.11668, 0.16967, 0.24981, 0.37324),
    0.95: (0.05, 0.05218, 0.05862, 0.08658, 0.13071, 0.20377),
}
SIZES = (2, 3, 5, 20, 100, 1000)


def corner(num, x):
    return np.array([x] + [(1 - x) / (num - 1)] * (num - 1))


@pytest.mark.parametrize("temperature", THRESHOLDS)
def test_global_thresholds_to_the_printed_digits(temperature):
    found = [heat_death.global_threshold(num, temperature) for num in SIZES]
    np.testing.assert_allclose(found, THRESHOLDS[temperature], atol=5.1e-6)


@pytest.mark.parametrize(("num", "temperature"), [(20, 0.5), (5, 0.8), (100, 0.9)])
def test_the_global_threshold_parts_iterations_from_a_corner(num, temperature):
    threshold = heat_death.global_threshold(num, temperature)
    uniform = np.full(num, 1 / num)
    for shift, survives in ((-0.004, False), (0.004, True)):
        path = heat_death.map_trajectory(
            4000, corner(num, 0.99), temperature, threshold + shift, uniform
        )
        assert (abs(path[-1] - uniform).max() < 1e-3) == survives


@pytest.mark.parametrize("temperature", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("num", [2, 5])
def test_the_local_threshold_parts_iterations_from_near_the_centre(num, temperature):
    start, uniform = corner(num, 1 / num + 1e-3), np.full(num, 1 / num)
    for shift, survives in ((0.02, True), (-0.02, False)):
        share = heat_death.local_threshold(temperature) + shift
        path = heat_death.map_trajectory(3000, start, temperature, share, uniform)
        assert (abs(path[-1] - uniform).max() < 1e-12) == survives
        assert (heat_death.growth_factor(temperature, share) < 1) == survives


def test_no_threshold_from_temperature_one_on():
    assert heat_death.global_threshold(5, 1.0) == heat_death.global_threshold(5, 2.0) == 0
    np.testing.assert_array_equal(heat_death.local_threshold([1.0, 1.5]), 0)


def test_equilibria_between_the_thresholds():
    """Two dominant ones there, one stable; one below 1 - T; none above a_g."""
    low, high = heat_death.dominant_equilibria(5, 0.8, 0.21)
    uniform = np.full(5, 0.2)
    for start, end in ((low - 1e-3, 0.2), (low + 1e-3, high), (0.999, high)):
        path = heat_death.map_trajectory(4000, corner(5, start), 0.8, 0.21, uniform)
        assert path[-1, 0] == pytest.approx(end, abs=1e-9)
    assert len(heat_death.dominant_equilibria(5, 0.8, 0.15)) == 1
    assert len(heat_death.dominant_equilibria(5, 0.8, 0.24)) == 0
    assert heat_death.dominant_equilibria(3, 0.8, 0.0)[-1] == 1


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.0, 1.3])
def test_sharpening_is_the_iterated_map(temperature):
    start = np.array([0.45, 0.3, 0.25, 0.0])
    path = heat_death.map_trajectory(12, start, temperature, 0.0, start)
    found = heat_death.sharpened(np.arange(13), start, temperature)
    np.testing.assert_allclose(found, path, rtol=1e-9, atol=1e-15)
    assert (found[:, 3] == 0).all()


def test_sharpening_in_the_limit():
    """All mass on the argmax, ties sharing it; above temperature 1 uniform on the support."""
    np.testing.assert_array_equal(heat_death.sharpened(5000, [0.5, 0.3, 0.2], 0.7), [1, 0, 0])
    np.testing.assert_array_equal(heat_death.sharpened(5000, [0.4, 0.4, 0.2], 0.7), [0.5, 0.5, 0])
    found = heat_death.sharpened(5000, [0.5, 0.3, 0.2, 0.0], 1.3)
    np.testing.assert_allclose(found, [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-15)


def test_growth_exponents_of_the_differential_equation():
    """(1/T - 1 - mu) / (1 + mu), measured by integrating over the size of the data set."""
    for temperature, ratio, printed in ((0.8, 0, 0.25), (0.8, 0.1, 0.13636), (1.3, 0, -0.23077)):
        share = heat_death.share_of(ratio)
        exponent = heat_death.growth_exponent(temperature, share)
        assert exponent == pytest.approx((1 / temperature - 1 - ratio) / (1 + ratio), rel=1e-12)
        assert exponent == pytest.approx(printed, abs=5e-6)
        p, uniform, steps = corner(4, 0.25 + 1e-7), np.full(4, 0.25), 2000
        for _ in range(steps):  # Euler, dp/ds = map(p) - p, up to s = 2
            p = p + (heat_death.map_step(p, temperature, share, uniform) - p) / (steps / 2)
        assert np.log((p[0] - 0.25) / 1e-7) / 2 == pytest.approx(exponent, abs=2e-4)


@pytest.mark.parametrize("temperature", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("side", [0.05, -0.05])
def test_the_threshold_of_the_differential_equation(temperature, side):
    """At mu = 1/T - 1, h uniform: a deviation from the centre dies out above, and grows below."""
    share, uniform = heat_death.share_of(1 / temperature - 1 + side), np.full(5, 0.2)
    p = corner(5, 0.2 + 1e-3)
    for _ in range(4000):  # Euler, up to s = 800
        p = p + (heat_death.map_step(p, temperature, share, uniform) - p) / 5
    deviation = abs(p - uniform).max()
    assert deviation < 1e-7 if side > 0 else deviation > 0.05


def test_floors():
    rng = np.random.default_rng(0)
    start, external = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    path = heat_death.map_trajectory(200, start, 0.4, 0.2, external)
    assert (path >= heat_death.floor(np.arange(201), 0.2, external) - 1e-15).all()
    p, step = start, 1e-3
    for i in range(1, 4001):
        p = p + (heat_death.map_step(p, 0.4, 0.2, external) - p) * step
        assert (p >= heat_death.ode_floor(i * step, 0.2, external) - 1e-3 * step).all()
    # The published form, in t = s (1 - a) and mu = a / (1 - a).
    t, mu = 3.0, heat_death.ratio_of(0.2)
    published = -np.expm1(-(1 + mu) * t) * mu * external / (1 + mu)
    np.testing.assert_allclose(heat_death.ode_floor(t / 0.8, 0.2, external), published, rtol=1e-14)


def test_ratios_and_shares():
    assert heat_death.ratio_of(0.5) == 1 and np.isinf(heat_death.ratio_of(1.0))
    assert heat_death.share_of(np.inf) == 1
    shares = np.array([0.0, 0.1, 0.9])
    np.testing.assert_allclose(heat_death.share_of(heat_death.ratio_of(shares)), shares, rtol=1e-15)


def test_the_sufficient_condition_promises_what_happens():
    """Where mu satisfies it every start converges, geometrically; far below too, as it may."""
    external, temperature = np.array([0.4, 0.35, 0.25]), 0.5
    rng = np.random.default_rng(1)
    for mu in (1.2, 71.0, 107.0):
        share = heat_death.share_of(mu)
        end = heat_death.equilibrium(temperature, share, external)
        asked = heat_death.sufficient_ratio(temperature, external, end, kappa=0.9)
        assert (mu >= asked) == (mu == 107)
        starts = rng.dirichlet(np.ones(3), 20)
        ends = [heat_death.equilibrium(temperature, share, external, start) for start in starts]
        np.testing.assert_allclose(ends, np.broadcast_to(end, (20, 3)), atol=1e-9)
    path = heat_death.map_trajectory(3, [0.9, 0.05, 0.05], temperature, share, external)
    divergence = heat_death.kl(path, end[None])
    assert (divergence[1:] < 0.05 * divergence[:-1]).all()
    assert np.isinf(heat_death.sufficient_ratio(0.5, [1.0, 0.0], [0.5, 0.5]))


def test_fisher_rao_is_bounded_by_kl():
    rng = np.random.default_rng(2)
    p, q = rng.dirichlet(np.ones(4), 500), rng.dirichlet(np.ones(4), 500)
    distance = heat_death.fisher_rao(p, q)
    assert (distance <= np.pi / 2 * np.sqrt(heat_death.kl(p, q)) + 1e-12).all()
    assert distance.min() > 0 and distance.max() <= np.pi / 2
    assert heat_death.fisher_rao([1, 0], [0, 1]) == pytest.approx(np.pi / 2)
    assert np.isinf(heat_death.kl([0.5, 0.5], [1.0, 0.0]))


def test_expected_probabilities_by_enumeration():
    """Two outcomes and few draws: every way that two generations may go."""
    from scipy.stats import binom

    model, real, kept, h = 3, 2, 4, 0.25
    means, squares = np.zeros(3), np.zeros(3)
    worlds = {1: 1.0}  # count of outcome 1 in the kept data set: 1 of 4
    for g in range(3):
        size = kept + g * (model + real)
        for count, weight in worlds.items():
            means[g] += weight * count / size
            squares[g] += weight * ((count / size) ** 2 + (1 - count / size) ** 2)
        after: dict[int, float] = {}
        for count, weight in worlds.items():
            for i in range(model + 1):
                for j in range(real + 1):
                    chance = binom.pmf(i, model, count / size) * binom.pmf(j, real, h)
                    after[count + i + j] = after.get(count + i + j, 0) + weight * chance
        worlds = after
    found = heat_death.expected_probabilities(
        np.arange(3), [0.25, 0.75], [h, 1 - h], model, real, kept=kept
    )
    np.testing.assert_allclose(found[0][:, 0], means, rtol=1e-12)
    np.testing.assert_allclose(found[1], squares, rtol=1e-12)


def test_urn_and_replace_heterozygosity():
    p = np.array([0.4, 0.6])
    j = np.arange(1, 41)
    expected = (1 - p @ p) * np.prod(1 - 5 / (10 + 5 * j) ** 2)
    assert heat_death.urn_heterozygosity(40, p, 10, 5) == pytest.approx(expected, rel=1e-12)
    squares = heat_death.expected_probabilities(7, p, p, 20, 0)[1]
    assert 1 - squares == pytest.approx((1 - p @ p) * (1 - 1 / 20) ** 7, rel=1e-12)
    # Counts (1, 1) and 30 draws at a time: the limit is not the Dirichlet's 1/3.
    for num, limit in ((30, 0.475), (1, 1 / 3)):
        found = heat_death.urn_heterozygosity(2000, [0.5, 0.5], 2, num)
        assert found == pytest.approx(limit, abs=1e-3)


@pytest.mark.parametrize("call", [
    lambda: heat_death.tempered([0.5, 0.5], 0.0),
    lambda: heat_death.tempered([0.5, 0.6], 1.0),
    lambda: heat_death.tempered([1.5, -0.5], 1.0),
    lambda: heat_death.global_threshold(1, 0.5),
    lambda: heat_death.global_threshold(3, 0.0),
    lambda: heat_death.equilibrium(0.5, 0.5, [0.5, 0.5], [0.51, 0.49], most=2),
])  # fmt: skip
def test_refusals(call):
    with pytest.raises(ValueError, match=r"temperature|probabilities|num_outcomes|equilibrium"):
        call()


POINT = {
    "learner.name": "heat_death", "learner.dynamics": "map", "regime.name": "fresh",
    "regime.real_fraction": 0.25, "num_samples": 1000, "sampler.temperature": 1.0,
    "data.name": "outcomes", "data.num_outcomes": 3, "data.start": (0.5, 0.3, 0.2),
    "data.external": (0.1, 0.3, 0.6), "data.corner": 0.9, "data.concentration": 0.0,
    "data.num_samples": 30,
}  # fmt: skip


def test_laws_hold_where_their_premises_do():
    g = np.arange(8)
    path = heat_death.map_trajectory(7, POINT["data.start"], 1.0, 0.25, POINT["data.external"])
    found = heat_death_laws(POINT, g)
    np.testing.assert_allclose(found["max_probability"].expected, path.max(-1), rtol=1e-12)
    squares = np.square(path).sum(-1)
    np.testing.assert_allclose(found["heterozygosity"].expected, 1 - squares, rtol=1e-12)
    sharp = POINT | {"regime.name": "replace", "sampler.temperature": 0.7}
    path = heat_death.map_trajectory(7, POINT["data.start"], 0.7, 0.0, POINT["data.external"])
    found = heat_death_laws(sharp, g)["deviation"].expected
    np.testing.assert_allclose(found, np.abs(path - 1 / 3).max(-1), rtol=1e-12)
    counts = POINT | {"learner.dynamics": "counts", "regime.name": "accumulate_fresh"}
    assert set(heat_death_laws(counts, g)) == {"heterozygosity"}
    for change in (
        {"sampler.temperature": 0.9},
        {"data.concentration": 3.0},
        {"data.name": "zipf"},
        {"learner.dynamics": "ode"},
        {"regime.name": "window"},
        {"learner.dynamics": "counts", "data.num_samples": 31},
        {"learner.dynamics": "counts", "sampler.temperature": 1.1},
    ):
        assert heat_death_laws(POINT | change, g) == {}, change

"""The closed loop at a temperature: its four forms against iteration, SciPy and exact laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import binom

from ouroboros_jax import experiment
from ouroboros_jax.config import load_config, new_config
from ouroboros_jax.data.outcomes import Start
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures.urn import urn
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.laws import laws

K = 5
UNIFORM = np.full(K, 1 / K)
CELL = 0.01
SHARES = (0.0, *(round(CELL * (i + 0.5), 6) for i in range(60)))  # no threshold is on the grid
TEMPERATURES = (0.5, 0.8, 1.25)
STARTS = (0.2001, 0.99)


def config(regime, **settings):
    paths = {path.replace("__", "."): value for path, value in settings.items()}
    return new_config(learner="heat_death", regime=regime, data="outcomes", **paths)


def run(regime, **settings):
    return experiment.run(config(regime, **settings), progress=False)


def corner(x):
    return np.array([x] + [(1 - x) / (K - 1)] * (K - 1))


@pytest.fixture(scope="module")
def diagram():
    """Max probabilities and laws [temperature, share, start, generation(, K)], in 64 bit."""
    found = run(
        "fresh", x64=True, num_samples=1000, generations=800, data__num_outcomes=K,
        data__start="corner", metrics=("max_probability", "probabilities"),
        sweep={"sampler.temperature": TEMPERATURES, "regime.real_fraction": SHARES,
               "data.corner": STARTS},
    )  # fmt: skip
    shape = len(TEMPERATURES), len(SHARES), len(STARTS), 801
    p = found.metrics["probabilities"].values.reshape(*shape, K)
    return found.metrics["max_probability"].values.reshape(shape), p


def test_the_map_is_the_iterated_map(diagram):
    """To 64-bit rounding, from both starts, without and with external data."""
    _, p = diagram
    for i, temperature in enumerate(TEMPERATURES):
        for j in (0, 10, 40):
            for k, x in enumerate(STARTS):
                law = heat_death.map_trajectory(20, corner(x), temperature, SHARES[j], UNIFORM)
                np.testing.assert_allclose(p[i, j, k, :21], law, atol=1e-12)
    # Without external data it is a power of the start, to the last bits.
    for i, temperature in enumerate(TEMPERATURES):
        law = heat_death.sharpened(np.arange(21), corner(0.99), temperature)
        np.testing.assert_allclose(p[i, 0, 1, :21], law, atol=1e-15)


def test_both_thresholds_within_a_cell_and_hysteresis_between(diagram):
    largest, _ = diagram
    is_alive = largest[..., -1] < 1 / K + 0.02
    for i, temperature in enumerate(TEMPERATURES[:2]):
        edges = [SHARES[int(np.argmax(is_alive[i, :, k]))] for k in range(2)]
        local = heat_death.local_threshold(temperature)
        world = heat_death.global_threshold(K, temperature)
        assert 0 < edges[0] - local < CELL and 0 < edges[1] - world < CELL
        between = (np.array(SHARES) >= edges[0]) & (np.array(SHARES) < edges[1])
        assert between.sum() >= 2
        assert is_alive[i, between, 0].all() and not is_alive[i, between, 1].any()
        # Beyond the edges both starts come to the same end.
        np.testing.assert_array_equal(is_alive[i, ~between, 0], is_alive[i, ~between, 1])
    assert is_alive[2].all()


def test_external_data_is_a_floor(diagram):
    _, p = diagram
    floor = np.array(SHARES)[None, :, None, None, None] / K
    assert (p[..., 1:, :] >= floor - 1e-12).all()
    assert (p[:, 0, 1, 0, 1:] < 0.99).all()


def test_a_schedule_is_read_generation_by_generation():
    temperatures = np.array([1.0, 0.5, 2.0, 0.7, 1.3])
    share = 0.1 * np.arange(5)
    found = run(
        "fresh", x64=True, num_samples=10, generations=4, data__start=(0.5, 0.3, 0.2),
        data__external=(0.1, 0.3, 0.6), sampler__temperature=tuple(temperatures),
        regime__real_fraction="linear(0, 0.1)",
    )  # fmt: skip
    law = heat_death.map_trajectory(4, (0.5, 0.3, 0.2), temperatures, share, (0.1, 0.3, 0.6))
    np.testing.assert_allclose(found.metrics["probabilities"].values[0], law, atol=1e-15)
    distance = heat_death.fisher_rao(law, np.array([[0.1, 0.3, 0.6]]))
    np.testing.assert_allclose(found.metrics["external_distance"].values[0], distance, atol=1e-12)


def test_the_differential_equation():
    """Against SciPy's integrator, and the estimated error is the fifth power of the step."""
    start, external, share = (0.7, 0.2, 0.1), (0.1, 0.3, 0.6), 0.2
    found = run(
        "fresh", x64=True, num_samples=10, generations=40, data__start=start,
        data__external=external, regime__real_fraction=share, learner__dynamics="ode",
        sampler__temperature=0.7, sweep={"learner.step": [0.1, 0.05]},
    )  # fmt: skip
    for chain, step in enumerate((0.1, 0.05)):
        times = step * np.arange(41)
        exact = solve_ivp(
            lambda _, p: heat_death.map_step(p / p.sum(), 0.7, share, external) - p,
            (0, times[-1]), start, t_eval=times, rtol=1e-12, atol=1e-13,
        )  # fmt: skip
        path = found.metrics["probabilities"].values[chain]
        np.testing.assert_allclose(path, exact.y.T, atol=2e-9)
        floor = heat_death.ode_floor(times, share, external)
        assert (path >= floor - 1e-12).all()
    error = found.metrics["step_error"].values
    assert error[:, 0].max() == 0 < error[:, 1:].min()
    assert error[0, 1] / error[1, 1] == pytest.approx(32, rel=0.1)


@pytest.fixture(scope="module")
def counted():
    """A finite loop at three temperatures, of a start of whole counts."""
    return run(
        "fresh", num_samples=50, generations=30, chains=1000, data__start=(5, 3, 2),
        data__num_samples=10, data__external=(0.2, 0.2, 0.6), learner__dynamics="counts",
        sweep={"sampler.temperature": [0.7, 1.0, 1.4], "regime.real_fraction": [0.0, 0.2]},
    )  # fmt: skip


def test_counts_are_whole_and_the_first_step_is_the_map_on_average(counted):
    dataset = counted.metrics
    p = dataset["probabilities"].values.astype(float)
    np.testing.assert_allclose(p[:, 0], np.broadcast_to([0.5, 0.3, 0.2], p[:, 0].shape), atol=1e-6)
    np.testing.assert_allclose(50 * p[:, 1:], np.round(50 * p[:, 1:]), atol=1e-4)
    for temperature in (0.7, 1.0, 1.4):
        for share in (0.0, 0.2):
            chains = (dataset["sampler.temperature"].values == temperature) & (
                dataset["regime.real_fraction"].values == share
            )
            here = p[chains, 1]
            tau = heat_death.tempered([0.5, 0.3, 0.2], temperature)
            h = np.array([0.2, 0.2, 0.6])
            mean = (1 - share) * tau + share * h
            variance = ((1 - share) * tau * (1 - tau) + share * h * (1 - h)) / 50
            assert (abs(here.mean(0) - mean) < 4.5 * np.sqrt(variance / len(here))).all()
            assert (abs(here.var(0) / variance - 1) < 4.5 * np.sqrt(2.2 / len(here))).all()


def test_at_temperature_one_heterozygosity_follows_its_law(counted):
    checked = 0
    for point in counted.summary["points"]:
        law = point["metrics"]["heterozygosity"].get("law")
        assert (law is not None) == (point["settings"]["sampler.temperature"] == 1.0)
        if law:
            assert law["valid"] and abs(law["z"]) < 4.5 and law["standard_error"] < 0.01
            checked += 1
    assert checked == 2


def test_an_extinct_outcome_comes_back_from_outside_alone(counted):
    dataset = counted.metrics
    support = dataset["support"].values
    alone = dataset["regime.real_fraction"].values == 0
    assert (np.diff(support[alone], axis=1) <= 0).all() and support[alone].min() == 1
    assert (np.diff(support[~alone], axis=1) > 0).any()
    cold = alone & (dataset["sampler.temperature"].values == 0.7)
    hot = alone & (dataset["sampler.temperature"].values == 1.4)
    last = dataset["max_probability"].values[:, -1]
    assert last[cold].mean() > 0.99 and last[hot].mean() < 0.5
    assert dataset["is_leader_kept"].values[cold, -1].mean() > 0.9


def test_finite_data_fixate_above_temperature_one_too():
    """Zeros absorb: by the exact chain of the first of two outcomes' counts, at 4.5 SE."""
    num, chains, generations = 6, 4000, 40
    found = run(
        "replace", num_samples=num, generations=generations, chains=chains,
        data__start=(4, 2), data__num_outcomes=2, data__num_samples=num,
        learner__dynamics="counts", sampler__temperature=1.4,
    )  # fmt: skip
    counts = np.arange(num + 1)
    tau = heat_death.tempered(np.stack([counts, num - counts], 1) / num, 1.4)[:, 0]
    step, law = binom.pmf(counts[None], num, tau[:, None]), np.eye(num + 1)[4]
    measured = (found.metrics["support"].values == 1).mean(0)
    for g in range(1, generations + 1):
        law = law @ step
        fixed = law[0] + law[num]
        assert abs(measured[g] - fixed) < 4.5 * np.sqrt(fixed * (1 - fixed) / chains)
    assert 0.5 < fixed < 0.999


def test_training_sets_and_samples_of_counts(counted):
    points = counted.data(generation=3, chain=7)
    shares = np.bincount(points, minlength=3) / 50
    np.testing.assert_allclose(shares, counted.params(3, chain=7)["probabilities"], atol=1e-6)
    assert points.shape == (50,)
    cold, hot = 0, 3 * 2 * 1000 - 1
    drawn = counted.sample(generation=0, chain=hot, num_samples=20_000)
    tau = heat_death.tempered([0.5, 0.3, 0.2], 1.4)
    shares = np.bincount(drawn, minlength=3) / 20_000
    assert (abs(shares - tau) < 4.5 * np.sqrt(tau * (1 - tau) / 20_000)).all()
    assert counted.sample(generation=30, chain=cold, num_samples=10).shape == (10,)


def test_a_start_for_each_chain():
    mean = np.array([0.5, 0.3, 0.2])
    start = Start(jnp.asarray(mean, jnp.float32), jnp.float32(4))
    keys = jax.random.split(jax.random.key(0), 20_000)
    p = np.asarray(jax.jit(jax.vmap(start.draw))(keys), np.float64)
    variance = mean * (1 - mean) / 5  # Dirichlet(4 mean)
    assert (abs(p.mean(0) - mean) < 4.5 * np.sqrt(variance / len(p))).all()
    np.testing.assert_allclose(p.var(0), variance, rtol=0.05)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(Start(start.mean, jnp.float32(0)).draw(keys[0]), start.mean)


SENTENCES = [
    ("fresh", {"sampler.temperature": 0.0}, "sampler.temperature=0.0 is out of range: expected a "),
    ("fresh", {"sampler.temperature": -1}, "temperature=-1.0 is out of range: .* above 0"),
    ("fresh", {"regime.real_fraction": 1.2}, r"real_fraction=1.2 is out of range: .* in \[0, 1\]"),
    ("fresh", {"data.external": (0.5, 0.6, 0.2)}, "sums to 1.3: expected probabilities that sum"),
    ("fresh", {"data.start": (0.5, 0.6, 0.2)}, r"data.start=.* sums to 1.3: .*\(or whole numbers"),
    ("fresh", {"data.start": (0, 0, 0)}, "data.start=.* has no support: expected a value above 0"),
    ("fresh", {"data.start": (0.5, 0.5)}, "has 2 values: expected one for each of data.num_out"),
    ("fresh", {"data.start": (1.2, -0.2, 0)}, "data.start=-0.2 is out of range"),
    ("fresh", {"data.start": "cornr"}, "data.start='cornr' is unknown: .*'corner'.*did you mean"),
    ("accumulate_subsample", {}, "holds numbers of points and not points"),
    ("replace", {"selector.name": "curate"}, "draws no points that selector.name='curate' could"),
    ("accumulate", {"learner.dynamics": "ode"}, "itself the limit of a data set that grows"),
    ("fresh", {"learner.dynamics": "ode", "learner.start": "base"}, "expected 'previous'"),
    ("fresh", {"learner.dynamics": "ode", "regime.real_fraction": 1}, "leaves the model .* no sha"),
    ("accumulate", {"learner.dynamics": "counts", "num_samples": 10**9}, "11,000,000,000 points"),
    ("replace", {"data.name": "normal"}, "is fitted to outcomes, and data.name='normal' holds"),
]  # fmt: skip


@pytest.mark.parametrize(("regime", "changes", "sentence"), SENTENCES)
def test_bad_settings_are_refused_in_a_sentence(regime, changes, sentence):
    changes = {"data.num_outcomes": 3} | changes
    name = changes.pop("data.name", "outcomes")
    if name != "outcomes":
        changes.pop("data.num_outcomes")
    with pytest.raises(UserError, match=sentence):
        expand(new_config(learner="heat_death", regime=regime, data=name, **changes))


def test_whole_numbers_are_counts():
    (group,) = expand(config("replace", data__start=(12, 9, 6, 3), data__num_outcomes=4))
    assert group.point["data.start"] == (12, 9, 6, 3)
    found = laws(group.point | {"learner.dynamics": "map"}, np.arange(1))
    assert found["max_probability"].expected[0] == pytest.approx(0.4, rel=1e-15)


TOY = {
    "": {"chains": 3, "generations": 4},
    "phase": {"generations": 30, "store.every": 30, "store.metrics_every": 10, "sweep": {
        "sampler.temperature": [0.5, 0.6, 0.7, 0.8, 0.9], "regime.real_fraction": [
            0.0, 0.1, 0.3, 0.5, 0.6], "data.corner": [0.21, 0.98]}},
    "polya": {"chains": 20, "generations": 12},
}  # fmt: skip
PICTURES = {"": "simplex", "phase": "phase_diagram", "polya": "polya"}


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("variant", TOY)
def test_configs_run_and_draw(variant, tmp_path):
    toy = load_config(f"heat_death:{variant}" if variant else "heat_death", TOY[variant])
    found = experiment.run(toy, workdir=tmp_path / "run", progress=False)
    drawn = [path.stem for path in (tmp_path / "run" / "figures").glob("*.png")]
    assert PICTURES[variant] in drawn
    if variant == "phase":  # metrics are thinned, the first and last kept
        known = np.isfinite(found.metrics["max_probability"].values).all(0)
        np.testing.assert_array_equal(np.flatnonzero(known), [0, 10, 20, 30])
        assert (found.metrics["status"].values == 0).all()
    if variant == "polya":
        (lines,) = {len(ax.lines) for ax in urn(found).axes}
        assert lines == 1, "the median of one temperature, at which no power law holds"


def test_the_urn_is_polyas_with_more_draws():
    (one,), (many,) = (expand(load_config(f"heat_death:{name}")) for name in ("polya", "urn"))
    assert (one.num_chains, many.num_chains) == (2000, 3 * 400)
    differing = {path for path in one.point if one.point[path] != many.point[path]}
    assert differing == {"num_samples", "chains", "sampler.temperature"}

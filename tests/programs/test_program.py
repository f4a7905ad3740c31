"""Programs: chains are independent, a sweep is its points, everything compiles once."""

import dataclasses

import jax
import numpy as np
import pytest
import toys

import ouroboros_jax as oj
from ouroboros_jax.config import apply, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.host.progress import Progress, first_generation
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand

LAST = 4
LEAN = {"data.num_test": 0, "metrics": ("variance", "mean"), "chains": 4, "generations": LAST}
SMALL = LEAN | {"num_samples": 20, "chain_block": 2}
STATISTICS = {"learner.draw": "sufficient"}
KINDS = {
    "points": {"regime": "accumulate_subsample", "learner.draw": "samples"},
    "statistics": {"regime": "fresh", "data.num_features": 2},
    "mixtures": {"regime": "replace", "learner": "gmm", "chain_block": 1},
}


def config_of(**overrides):
    names = {name: overrides.pop(name, default) for name, default in NAMES.items()}
    return new_config(**names, **overrides)


NAMES = {"learner": "gaussian", "regime": "replace", "data": "normal"}


def program_of(config, devices=None):
    (group,) = expand(config)
    return build(group, config.chain_block, devices)


def drive(program, generations=LAST):
    """Parameters and metrics of all generations, [G, C, ...]."""
    progress, first = first_generation(program)
    start = jax.tree.map(lambda a: a[None], progress.params())
    params, metrics = progress.run_segment(generations)
    return jax.tree.map(lambda *a: np.concatenate(a), (start, first), (params, metrics))


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    program = program_of(config_of(**SMALL | KINDS[request.param]))
    return program, drive(program)


def test_a_chain_alone_is_the_chain_in_the_run(kind):
    """In a block of the same width, bit for bit."""
    program, whole = kind
    alone = program.only(2)
    assert alone.layout.block == program.layout.block and alone.layout.num_chains == 1
    assert_equal(drive(alone), jax.tree.map(lambda a: a[:, 2:3], whole))


def test_another_seed_changes_its_row_alone(kind):
    program, whole = kind
    seeds = program.group.seeds.copy()
    seeds[1] += 1
    other = program.of(program.group._replace(seeds=seeds))
    changed = drive(other)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(changed), strict=True):
        np.testing.assert_array_equal(a[:, [0, 2, 3]], b[:, [0, 2, 3]])
    assert (whole[1]["variance"][:, 1] != changed[1]["variance"][:, 1]).all()


def test_chains_differ(kind):
    _, (_, metrics) = kind
    assert all(len(np.unique(row)) == len(row) for row in metrics["variance"])


def test_where_a_call_ends_decides_no_bits(kind):
    program, whole = kind
    progress, first = first_generation(program)
    parts = [(jax.tree.map(lambda a: a[None], progress.params()), first)]
    parts += [progress.run_segment(num) for num in (1, 2, 1)]
    assert_equal(jax.tree.map(lambda *a: np.concatenate(a), *parts), whole)


@pytest.mark.parametrize("kind", ["points"], indirect=True)
def test_one_device_gives_what_two_give(kind):
    """To rounding: XLA compiles for one device otherwise than for several."""
    two, whole = kind
    one = build(two.group, two.layout.block, jax.devices()[:1])
    assert one.layout.mesh.devices.size == 1
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), drive(one), whole)


@pytest.mark.parametrize(
    ("settings", "together"),
    [
        ({"regime": "accumulate_subsample"}, True),
        ({"regime": "window", "regime.window": 1, "regime.kept": True}, True),
        ({"regime": "window", "regime.window": 2}, True),
        ({"regime": "weighted"}, True),
        ({"regime": "fresh", "regime.real_of": "previous"}, True),
        ({"regime": "toys:half_of_real"}, True),
        ({"regime": "fresh", "learner": "gmm", "chain_block": 1}, True),
        ({"regime": "accumulate"}, False),  # its pool has room for more
        ({"regime": "replace", "data.num_samples": 30}, False),
        ({"regime": "replace", "sampler.bias": 0.5} | STATISTICS, True),
        ({"regime": "accumulate", "data.num_features": 9} | STATISTICS, True),
        ({"regime": "window", "regime.kept": True} | STATISTICS, True),
        ({"regime": "fresh"} | STATISTICS, False),  # here a branch would be dear
        ({"regime": "fixed_real"} | STATISTICS, False),
        ({"regime": "replace", "data": "iris"} | STATISTICS, False),  # no law to draw them from
    ],
)
def test_generation_0_in_the_program_of_the_others(settings, together):
    """It is what it is in a program of its own, wherever the first call ends."""
    draws = {} if settings.get("learner") == "gmm" else {"learner.draw": "samples"}
    program = program_of(config_of(**SMALL | draws | settings))
    assert program.from_blank == together
    if not together:
        return
    apart = dataclasses.replace(program, compiled={})
    vars(apart)["from_blank"] = False
    for a, b in zip(*(jax.tree.leaves(drive(p)) for p in (program, apart)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
    assert_equal(Progress(program).run_segment(LAST + 1), drive(program))


# Compilation


def test_compiled_once_whatever_the_number_of_generations(compilations):
    def count(generations):
        toys.TRACES.clear()
        compilations.clear()
        config = new_config(
            learner="toys:tagged", regime="fresh", data="toys:tags", chains=6,
            generations=generations, num_samples=8, **{"store.segment": 4},
        )  # fmt: skip
        run = oj.run(config, progress=False)
        assert run.generation == generations
        return len(toys.TRACES), len(compilations)

    count(1)  # what JAX compiles on the side, once a process
    few, many = count(3), count(23)
    assert many == few
    assert few[0] <= 7 and few[1] <= 6  # a learner of one's own is traced once more, to check it


# Sweeps


def run_of(config):
    return oj.run(config, progress=False)


@pytest.mark.parametrize(
    ("settings", "sweep"),
    [
        (
            {"regime": "accumulate"},
            {"num_samples": [12, 30], "sampler.bias": [0.5, "linear(1, .1)"], "seed": 2},
        ),
        (  # real points, drawn up to a capacity that other points of the sweep decide
            {"data": "mixture", "learner.draw": "sufficient", "regime": "fresh"},
            {"num_samples": [12, 30], "regime.real_fraction": [0.3, 0.5]},
        ),
        (
            {"learner.draw": "samples", "regime": "weighted", "regime.real_weight": "golden"},
            {"regime.real_fraction": [0.2, 0.5], "data.std": [1.0, 3.0]},
        ),
    ],
)
def test_every_point_of_a_sweep_is_a_run_of_its_own(settings, sweep):
    """Bit for bit, with the same `chain_block`; the last point is run alone."""
    lean = LEAN | {"chains": 2, "chain_block": 8, "num_samples": 12}
    whole = run_of(config_of(**lean | settings, sweep=sweep))
    point = {path: values[0] for path, values in sweep.items() if path != "seed"}
    alone = run_of(apply(config_of(**lean | settings), point))
    coords = {path: values[0] for path, values in sweep.items() if path != "seed"}
    metrics = whole.metrics
    rows = np.ones(metrics.sizes["chain"], bool)
    for path, value in coords.items():
        labels = metrics[path].values
        rows &= labels == (value if labels.dtype.kind != "U" else str(value))
    rows &= metrics["seed"].values == 0
    rows = np.flatnonzero(rows)
    assert len(rows) == 2
    for name in ("variance", "mean"):
        np.testing.assert_array_equal(metrics[name].values[rows], alone.metrics[name].values)
    first = int(rows[0])
    assert_equal(whole.params(LAST, first), alone.params(LAST, 0))
    assert not np.array_equal(
        np.delete(metrics["variance"].values, rows, 0)[0], metrics["variance"].values[rows][0]
    )


def test_a_sweep_over_shapes_is_one_run():
    """Dimensions and regimes: groups, NaN where a chain has no such feature."""
    lean = LEAN | {"chains": 2, "num_samples": 9, "learner.draw": "samples"}
    sweep = {"data.num_features": [1, 2], "seed": 2}
    whole = run_of(config_of(**lean, sweep=sweep))
    assert [group.name for group in whole.groups] == ["g000", "g001"]
    means = whole.metrics["mean"]
    assert means.sizes["feature"] == 2
    assert np.isnan(means.values[:4, :, 1]).all() and np.isfinite(means.values[4:]).all()
    assert whole.params(LAST, 5)["mean"].shape == (2,)
    assert whole.params(LAST, group="g000")["mean"].shape == (4, 1)
    with pytest.raises(UserError, match="group"):
        whole.params(LAST)


# Capacities


@pytest.mark.parametrize("regime", ["accumulate", "accumulate_subsample"])
@pytest.mark.parametrize(
    "num", [7, (10,) * 14 + (17,), "linear(4, 3)", (40, 3), "geometric(2, 1.3)"]
)
def test_capacity_only_grows(regime, num):
    """And holds what the regime keeps, whatever the schedule; a stretch ends where it grows."""
    lean = LEAN | {"regime": regime, "num_samples": num, "learner.draw": "samples"}
    program = program_of(config_of(**lean | {"generations": 39, "data.num_samples": 20}))
    capacities = [program.sizes.capacity(g) for g in range(40)]
    counts = np.broadcast_to(program.group.counts(np.arange(40))["num_samples"], (4, 40))[0]
    for g, capacity in enumerate(capacities):
        drawn = 20 + counts[1 : g + 1].sum()
        assert capacity.real == 20 and capacity.new >= counts[g]
        assert capacity.kept >= drawn + (capacity.new - counts[g] if g else 0)
        if g:
            assert all(np.subtract(capacity, capacities[g - 1]) >= 0)
    # New rows and kept rows each double at most log2(last / first) times.
    first, last = capacities[0], capacities[-1]
    doublings = np.log2([last.new / first.new, last.kept / first.kept])
    assert len(set(capacities)) <= 2 + doublings.sum()
    for g in range(20):
        num = program.sizes.stretch(g, 20)
        alike = [capacity == capacities[g] for capacity in capacities[g : g + 20]]
        assert num == (alike.index(False) if False in alike else 20)


def test_room_for_a_subsample_is_that_of_all_that_is_planned():
    """From the start, and more where a run is extended."""
    lean = LEAN | {"regime": "accumulate_subsample", "learner.draw": "samples", "num_samples": 7}
    program = program_of(config_of(**lean | {"generations": 5, "data.num_samples": 20}))
    assert program.sizes.capacity(0) == program.sizes.capacity(5)
    assert program.sizes.capacity(9).kept == program.sizes.capacity(5).kept + 4 * 7
    assert program.sizes.stretch(4, 10) == 2

"""Long fits, which the host drives step by step; and pools that hold models in place of points."""

import itertools

import jax
import numpy as np
import pytest
from cuts import interrupted_after

import ouroboros_jax as oj
from ouroboros_jax.config import new_config
from ouroboros_jax.host.progress import Progress

LAST, STEPS = 3, 3
REGIMES = {
    "replace": {},
    "accumulate": {},
    "accumulate_subsample": {},
    "fixed_real": {},
    "kept-window": {"regime.kept": True},
    "fresh": {"regime.real_fraction": 0.5},
    "previous": {"regime.real_fraction": 0.5, "regime.real_of": "previous"},
}
NAMED = {"kept-window": "window", "previous": "fresh"}


@pytest.fixture(autouse=True)
def shared(compiled_once, quick_compilation):
    """What is compared here is the same bits of the same programs."""


def config_of(regime="replace", *, hosted=True, points="rows", **overrides):
    own = {"learner.hosted": hosted, "learner.points": points, "num_samples": 8, "chains": 2}
    own |= {"generations": LAST, "data.num_samples": 10, "chain_block": 1}
    names = {"learner": "toys:pictures", "data": "toys:digits_of_mine"}
    regime_name = NAMED.get(regime, regime)
    return new_config(**names, regime=regime_name, **own | REGIMES[regime] | overrides)


def go(config, workdir=None):
    return oj.run(config, workdir, progress=False, figures=False)


def assert_same(a, b, rtol=0.0):
    assert a.generation == b.generation == LAST
    assert set(a.metrics.data_vars) == set(b.metrics.data_vars)
    for name in a.metrics.data_vars:
        np.testing.assert_allclose(a.metrics[name], b.metrics[name], rtol=rtol, err_msg=name)
    for g in range(LAST + 1):
        for x, y in zip(*(jax.tree.leaves(plain(r.params(g))) for r in (a, b)), strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol)


def plain(params):
    return params._asdict() if hasattr(params, "_asdict") else params


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_the_host_drives_what_one_call_does(regime):
    """The same fits, to the rounding of another compilation; curves have an axis of steps."""
    driven, whole = go(config_of(regime)), go(config_of(regime, hosted=False))
    assert_same(driven, whole, rtol=2e-5)
    assert driven.metrics["loss"].shape == (2, LAST + 1, STEPS)
    assert (driven.metrics["em_steps"] == STEPS).all()
    distance = driven.metrics["distance"].values  # of every generation to every other
    assert distance.shape == (2, LAST + 1, LAST + 1)
    np.testing.assert_array_equal(distance, distance.swapaxes(1, 2))
    first, last = (driven.params(g)["images"] for g in (0, LAST))
    np.testing.assert_allclose(distance[:, 0, LAST], np.abs(first - last).mean((1, 2, 3)), 1e-5)


@pytest.mark.parametrize("step", [1, 2, 4, 6, 9])
def test_a_cut_inside_a_fit_never_shows(step, tmp_path, monkeypatch):
    """Interrupted after every piece of work in turn, the begun fit is taken up where it was."""
    config = config_of("accumulate", points="recipes")
    with interrupted_after(step):
        go(config, tmp_path / "run")
    pieces, work = [], Progress.work
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "work", lambda self, num: pieces.append(num) or work(self, num))
        resumed = go(config, tmp_path / "run")
    # A fit is a piece to begin it and one a step. What a cut loses is at most the beginning.
    assert len(pieces) <= (LAST + 1) * (STEPS + 1) - step + 1
    assert_same(resumed, go(config))
    assert_same(oj.open_run(tmp_path / "run"), resumed)


@pytest.mark.parametrize("regime", ["accumulate", "fixed_real", "kept-window"])
def test_recipes_are_the_points_they_stand_for(regime):
    """Every generation's training set, drawn again from models and keys, is that of rows."""
    rows, recipes = (go(config_of(regime, points=p)) for p in ("rows", "recipes"))
    for generation in range(LAST + 1):
        for chain in range(2):
            kept, again = (run.data(generation, chain) for run in (rows, recipes))
            assert len(kept["label"]) > 0
            for name in kept:
                a, b = np.sort(kept[name], 0), np.sort(again[name], 0)
                np.testing.assert_array_equal(a, b, err_msg=f"{generation} {name}")


def test_a_subsample_of_recipes_is_of_all_they_stand_for():
    """As many points as asked for, none of them twice, real ones among them."""
    run = go(config_of("accumulate_subsample", points="recipes"))
    real = {row.tobytes() for row in np.asarray(run.program(0).real.table["image"])}
    num_real = 0
    for chain, generation in itertools.product(range(2), range(1, LAST + 1)):
        rows = [row.tobytes() for row in run.data(generation, chain)["image"]]
        assert len(rows) == len(set(rows)) == 8
        num_real += sum(row in real for row in rows)
    # Hypergeometric, 8 of 10 + 8 g of which 10 are real: 19.7 in the mean, deviation 2.8.
    assert abs(num_real - 19.7) < 4.5 * 2.8


def test_a_stream_is_new_at_every_step():
    """Each step sees `num_samples` points, and no step those of another."""
    import toys

    from ouroboros_jax.pools.given import Given
    from ouroboros_jax.programs.build import build
    from ouroboros_jax.sweep import expand

    (group,) = expand(config_of("replace", points="stream"))
    program = build(group, 1)
    progress = Progress(program)
    while progress.generation < 0:
        progress.work(1)
    progress.work(1)
    pool = jax.tree.map(lambda a: a[0, 0], progress.fit.fit.pool)
    key = jax.random.wrap_key_data(jax.random.key_data(program.keys)[0, 0])
    settings = jax.tree.map(lambda a: a[0, 0], program.settings(1, 1))
    given = Given(key, settings, program.table, program.sizes.capacity(1))
    seen = [program.chain.open(given, pool, np.int32(1), np.int32(i)) for i in (0, 1, 0)]
    images = [np.asarray(p.data["image"][p.weights > 0], int) for p in seen]
    assert all(len(image) == 8 for image in images)
    np.testing.assert_array_equal(images[0], images[2])
    assert (images[0] != images[1]).any(axis=(1, 2)).all()
    assert toys.pictures(points="stream").points == "stream"


def test_a_share_of_the_previous_set_is_taken_over_unchanged():
    """Half of each set are rows of the set before, so that real rows become fewer."""
    run = go(config_of("previous", **{"num_samples": 10}))
    table = np.asarray(run.program(0).real.table["image"])
    sets = [run.data(g, 0)["image"] for g in range(LAST + 1)]
    for before, after in itertools.pairwise(sets):
        rows = {row.tobytes() for row in before}
        assert sum(row.tobytes() in rows for row in after) >= 5
    real = {row.tobytes() for row in table}
    shares = [np.mean([row.tobytes() in real for row in rows]) for rows in sets]
    assert shares[0] == 1 and shares[1] == 0.5 and shares[3] < 0.5

"""Forks: whole runs whose first generations are another run's, chain for chain."""

import json
import shutil

import jax
import numpy as np
import pytest
from cuts import cut_after

import ouroboros_jax as oj
from ouroboros_jax.cli import main
from ouroboros_jax.config import new_config
from ouroboros_jax.disk.dataset import joined
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures.evolution import chosen_generations

AT, LAST = 3, 6
POINTS = {
    "learner": "gaussian",
    "data": "normal",
    "learner.draw": "samples",
    "metrics": ("variance", "mean"),
    "data.num_test": 0,
    "num_samples": 8,
}
TAGGED = {"learner": "toys:tagged", "data": "toys:tags", "num_samples": 6, "data.num_samples": 4}
PICTURES = {
    "learner": "toys:pictures",
    "data": "toys:digits_of_mine",
    "learner.hosted": True,
    "num_samples": 6,
    "data.num_samples": 8,
}
RECIPES = PICTURES | {"learner.points": "recipes"}


@pytest.fixture(autouse=True)
def shared(compiled_once, quick_compilation):
    """What is compared here is the same bits of the same programs."""


SOURCES = {}


def source_of(kind, regime, **overrides):
    """A run in memory, made once."""
    key = repr((kind, regime, overrides))
    if key not in SOURCES:
        SOURCES[key] = _source_of(kind, regime, **overrides)
    return SOURCES[key]


def _source_of(kind, regime, **overrides):
    settings = {"chains": 2, "generations": LAST, "chain_block": 2, "store.segment": 2}
    settings |= kind | overrides
    names = {name: settings.pop(name) for name in ("learner", "data")}
    return go(new_config(**names, regime=regime, **settings))


def go(config, workdir=None):
    return oj.run(config, workdir, progress=False, figures=False)


def fork(run, generation=AT, overrides=None, workdir=None):
    return oj.fork(run, generation, overrides or {}, workdir, progress=False, figures=False)


def assert_same(a, b, last=LAST):
    """Metrics and parameters of two runs up to a generation, bit for bit."""
    assert set(a.metrics.data_vars) == set(b.metrics.data_vars)
    for name in a.metrics.data_vars:
        if a.metrics[name].dims[1:2] == ("generation",):
            x, y = (run.metrics[name].values[:, : last + 1] for run in (a, b))
            np.testing.assert_array_equal(x, y, err_msg=name)
    for g in range(last + 1):
        for x, y in zip(*(jax.tree.leaves(plain(r.params(g))) for r in (a, b)), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=f"generation {g}")


def plain(params):
    return params._asdict() if hasattr(params, "_asdict") else params


def ids(run, generation, chain=0):
    """The points of a training set, by the number that each has of its own."""
    return set(run.data(generation, chain)["id"].tolist())


# With nothing changed


@pytest.mark.parametrize(
    ("kind", "regime", "overrides"),
    [
        (POINTS, "window", {}),
        (RECIPES, "accumulate", {"generations": 5}),
    ],
    ids=["redrawn", "recipes"],
)
def test_a_fork_without_changes_is_its_source(kind, regime, overrides, tmp_path):
    source = source_of(kind, regime, **overrides)
    last = overrides.get("generations", LAST)
    forked = fork(source, AT, workdir=tmp_path / "fork")
    assert forked.generation == last
    assert_same(forked, source, last)
    assert_same(oj.open_run(tmp_path / "fork"), source, last)
    assert_same(fork(forked, 1), source, last)
    for g in (2, AT + 1):
        a, b = (jax.tree.leaves(run.data(g, 1)) for run in (source, forked))
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


# What changes, and what does not


def test_changes_begin_after_the_fork(tmp_path):
    """Another bias: scaled noise, by the same random numbers."""
    source = source_of(POINTS, "replace")
    forked = fork(source, AT, {"sampler.bias": 0.25}, tmp_path / "fork")
    assert_same(forked, source, AT)
    np.testing.assert_array_equal(source.sample(AT - 1, 0, 9), forked.sample(AT - 1, 0, 9))
    mean = source.params(AT, 0)["mean"]
    a, b = (run.sample(AT, 0, 9) - mean for run in (source, forked))
    np.testing.assert_allclose(b, a / 2, rtol=1e-5, atol=1e-6)
    # Training sets are affine images of the same noise: variances shrink by exactly 1/4 each.
    ratio = (forked.metrics.variance / source.metrics.variance).values
    expected = 0.25 ** np.maximum(np.arange(LAST + 1) - AT, 0)
    np.testing.assert_allclose(ratio, np.broadcast_to(expected, ratio.shape), rtol=1e-4)


def test_a_regime_that_differs_in_nothing_makes_no_difference():
    """Fresh data with a share of 0 is `replace`, whose random numbers it shares."""
    source = source_of(POINTS, "replace")
    forked = fork(source, AT, {"regime.name": "fresh", "regime.real_fraction": 0.0})
    np.testing.assert_allclose(forked.metrics.variance, source.metrics.variance, rtol=1e-5)


def test_more_samples_begin_with_the_same(tmp_path):
    source = source_of(TAGGED, "replace")
    forked = fork(source, AT, {"num_samples": 11}, tmp_path / "fork")
    for g, num in ((0, 4), (AT, 6), (AT + 1, 11), (LAST, 11)):
        assert len(ids(forked, g)) == num
    # A model of this kind says its generation alone: the same points follow, and more of them.
    assert ids(source, LAST) < ids(forked, LAST)
    assert forked.config.data.num_samples == 4
    assert (
        "regime"
        in json.loads((tmp_path / "fork/run.json").read_text())["fork"]["eras"][0]["config"]
    )


@pytest.mark.parametrize(
    ("before", "regime"),
    [
        ("replace", "accumulate"),
        ("fresh", "accumulate"),
        ("previous", "accumulate"),
        ("fresh", "accumulate_subsample"),
        ("fresh", "kept window"),
    ],
)
def test_what_a_regime_would_have_remembered(before, regime):
    """The real set and all sets that the source drew, as it drew them, and then the fork's own."""
    share = {} if before == "replace" else {"regime.real_fraction": 0.5}
    share |= {"regime.real_of": "previous"} if before == "previous" else {}
    source = source_of(TAGGED, "replace" if before == "replace" else "fresh", **share)
    sets = [ids(source, g, 1) for g in range(AT + 1)]
    own = {"regime.name": regime.split()[-1]}
    own |= {"regime.kept": True, "regime.window": 3} if "window" in regime else {}
    forked = fork(source, AT, own)
    new = [ids(fork(source, AT, {"regime.name": "replace"}), g, 1) for g in (AT + 1, AT + 2)]
    trained = ids(forked, AT + 2, 1)
    if regime == "accumulate":
        assert trained == set().union(*sets, *new)
    elif "window" in regime:
        assert trained == sets[AT] | new[0] | new[1]
    else:
        assert len(trained) == 6 and trained <= set().union(*sets, *new)
        assert not trained <= new[1]
    for g in range(AT + 1):
        assert ids(forked, g, 1) == sets[g]


def test_a_share_of_the_previous_set_begins_with_the_sources():
    source = source_of(TAGGED, "replace")
    own = {"regime.name": "fresh", "regime.real_fraction": 0.5, "regime.real_of": "previous"}
    forked = fork(source, AT, own)
    assert len(ids(forked, AT + 1) & ids(source, AT)) == 3
    assert len(ids(forked, AT + 2) & ids(forked, AT + 1)) == 3


def test_forks_of_forks_remember_every_era():
    source = source_of(TAGGED, "replace")
    second = fork(source, 1, {"regime.name": "fresh", "regime.real_fraction": 0.5})
    third = fork(second, AT, {"regime.name": "accumulate"})
    sets = [ids(source, 0), ids(source, 1), ids(second, 2), ids(second, AT)]
    sets.append(ids(fork(second, AT, {"regime.name": "replace"}), AT + 1))
    assert ids(third, AT + 1) == set().union(*sets)
    early = fork(third, 1, {"regime.name": "accumulate"})  # of the first era alone
    assert early.manifest["fork"]["eras"][0]["config"]["regime"]["name"] == "replace"
    assert len(early.manifest["fork"]["eras"]) == 1
    assert ids(early, 1) == sets[1]


def test_recipes_of_a_fork_are_the_points_they_stand_for():
    """Models of two eras in one pool: half real before the fork, all synthetic after."""
    sets = {}
    for points in ("rows", "recipes"):
        kind = PICTURES | {"learner.points": points}
        share = {"regime.real_fraction": 0.5, "generations": 4}
        source = source_of(kind, "fresh", **share)
        forked = fork(source, 2, {"regime.name": "accumulate", "generations": 4})
        sets[points] = forked.data(4, 1)
        assert len(sets[points]["label"]) == 8 + 4 * 6
        real = {row.tobytes() for row in np.asarray(forked.program(0).real.table["image"])}
        assert sum(row.tobytes() in real for row in sets[points]["image"]) == 8 + 2 * 3
    for name in ("image", "label"):
        a, b = (np.sort(sets[points][name], 0) for points in ("rows", "recipes"))
        np.testing.assert_array_equal(a, b)


def test_another_selector_chooses_after_the_fork():
    """What the first selector chose is remembered, what the second chooses is added."""
    best = {"selector.name": "curate", "selector.strength": 1000.0, "selector.choices": 5}
    source = source_of(POINTS, "replace", selector="curate", **dict(list(best.items())[1:]))
    forked = fork(source, AT, {"selector.name": "none", "regime.name": "accumulate"})
    sets = [source.data(g, 0) for g in range(AT + 1)]
    remembered = forked.data(AT + 1, 0)
    assert len(remembered) == 8 * (AT + 2)
    for points in sets:
        assert np.isin(points, remembered).all()
    assert not np.isin(source.data(AT + 1, 0), remembered).all()


def test_a_sweep_of_forks_is_each_of_them(tmp_path):
    source = source_of(POINTS, "replace")
    shares = {"regime.real_fraction": (0.25, 1.0)}
    both = fork(source, AT, {"regime.name": "fresh", "sweep": shares}, tmp_path / "both")
    assert both.num_chains == 4
    for place, share in enumerate(shares["regime.real_fraction"]):
        one = fork(source, AT, {"regime.name": "fresh", "regime.real_fraction": share})
        here = slice(2 * place, 2 * place + 2)
        np.testing.assert_array_equal(both.metrics.variance[here], one.metrics.variance)
    found = oj.difference(source, both, "variance", num_resamples=50)
    assert found.table["regime.real_fraction"].tolist() == [0.25, 1.0]
    expected = (both.metrics.variance.values[2:] - source.metrics.variance.values).mean(0)
    np.testing.assert_allclose(found.dataset["difference"].values[1], expected, atol=1e-6)
    assert found.dataset["num_pairs"].values.tolist() == [[2] * (LAST + 1)] * 2


def test_the_difference_to_the_source_is_paired():
    source = source_of(POINTS, "replace")
    forked = fork(source, AT, {"sampler.bias": 0.25})
    found = oj.difference(source, forked, "variance", names=("left alone", "narrowed"))
    data = found.dataset.squeeze("row")
    np.testing.assert_array_equal(data["difference"].values[: AT + 1], 0)
    pairs = forked.metrics.variance.values - source.metrics.variance.values
    np.testing.assert_allclose(data["difference"], pairs.mean(0), rtol=1e-6)
    assert (data["low"] <= data["difference"]).all() and (data["difference"] <= data["high"]).all()
    assert found.baseline == "left alone" and found.plot() is not None
    with pytest.raises(UserError, match="is not in the second run"):
        oj.difference(source, source_of(TAGGED, "replace"), "mean")
    with pytest.raises(UserError, match="no chains in common"):
        oj.difference(source, source_of(POINTS, "replace", seed=5), "variance")


def test_metrics_of_other_lengths_are_padded():
    """A source of 3 epochs and a fork of 2; one that recorded less."""
    status = np.zeros((2, 1), np.int8)
    first = {"status": status, "loss": np.ones((2, 1, 3), np.float32), "old": np.ones((2, 1))}
    second = {"status": status[:1], "loss": np.zeros((1, 1, 2), np.float32)}
    both = joined([first, second])
    assert both["status"].dtype == np.int8 and both["loss"].shape == (3, 1, 3)
    np.testing.assert_array_equal(both["loss"][2, 0], [0, 0, np.nan])
    np.testing.assert_array_equal(both["old"][:, 0], [1, 1, np.nan])
    third = {"status": status[:1], "old": np.zeros((1, 1))}
    np.testing.assert_array_equal(joined([third, first, third])["loss"][0, 0], [np.nan] * 3)


def test_panels_of_a_fork_show_what_its_source_stored():
    """The source keeps its first and last generations, the fork all."""
    thin = source_of(POINTS, "replace", **{"store.every": LAST})
    forked = fork(thin, LAST, {"generations": LAST + 2, "store.every": 1})
    assert chosen_generations(forked) == [0, LAST, LAST + 1, LAST + 2]


# Cut off and resumed


@pytest.fixture(scope="module")
def stored(tmp_path_factory, compiled_once):
    """A run on disk, whose fork is resumed below."""
    folder = tmp_path_factory.mktemp("forks") / "source"
    settings = POINTS | {"chains": 2, "generations": LAST, "chain_block": 2, "store.segment": 2}
    names = {name: settings.pop(name) for name in ("learner", "data")}
    go(new_config(**names, regime="replace", **settings), folder)
    return folder


OTHER = {"regime.name": "accumulate_subsample", "generations": LAST + 2}


@pytest.mark.parametrize("when", ["copying", "beginning", "running"])
def test_a_fork_that_was_cut_off(when, stored, tmp_path, monkeypatch):
    """In the midst of what it takes over, before its first generation, and after some."""
    from ouroboros_jax.disk.store import DiskStore

    with monkeypatch.context() as patch:
        patch.setattr("ouroboros_jax.host.loop.SEGMENT_GENERATIONS", 2)
        patch.setattr("ouroboros_jax.forks.inheritance.SEGMENT_GENERATIONS", 2)
        if when == "copying":
            append = DiskStore.append

            def once(self, segment):
                if segment.first:
                    raise KeyboardInterrupt
                append(self, segment)

            patch.setattr(DiskStore, "append", once)
        elif when == "beginning":
            patch.setattr("ouroboros_jax.experiment.run_group", lambda *a, **b: 1 / 0)
        else:
            cut_after(patch, AT + 2)
        with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
            fork(stored, AT, OTHER, tmp_path / "fork")
    reached = oj.open_run(tmp_path / "fork").generation
    assert {"copying": 1, "beginning": AT, "running": AT + 2}[when] <= reached < LAST + 2
    whole = go(oj.open_run(tmp_path / "fork").config, tmp_path / "fork")
    assert whole.manifest["fork"]["generation"] == AT
    assert_same(whole, fork(stored, AT, OTHER), LAST + 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damaged_inheritance_is_copied_again(stored, tmp_path):
    (moved := tmp_path / "source").mkdir()
    shutil.copytree(stored, moved, dirs_exist_ok=True)
    fork(moved, AT, OTHER, tmp_path / "fork")
    for path in (tmp_path / "fork/generations/3").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:20])
    moved.rename(tmp_path / "gone")
    config = oj.open_run(tmp_path / "fork").config
    with pytest.raises(UserError, match=r"copied from the source: workdir .* is not there"):
        go(config, tmp_path / "fork")
    go(source_config(seed=3), moved)
    with pytest.raises(UserError, match="now holds another run"):
        go(config, tmp_path / "fork")
    shutil.rmtree(moved)
    (tmp_path / "gone").rename(moved)
    assert_same(go(config, tmp_path / "fork"), fork(stored, AT, OTHER), LAST + 2)


def source_config(**overrides):
    settings = POINTS | {"chains": 2, "generations": 1} | overrides
    names = {name: settings.pop(name) for name in ("learner", "data")}
    return new_config(**names, regime="replace", **settings)


def test_thinned_forks_begin_again_where_they_forked(stored, tmp_path):
    """Not at generation 0, which is the source's to fit."""
    changes = OTHER | {"store.every": 4}
    fork(stored, AT, changes | {"generations": 7}, tmp_path / "fork")
    shutil.rmtree(tmp_path / "fork/resume")
    longer = fork(stored, AT, changes | {"generations": 9}, tmp_path / "fork")
    straight = fork(stored, AT, changes | {"generations": 9})
    np.testing.assert_array_equal(longer.metrics.variance, straight.metrics.variance)
    with pytest.raises(UserError, match="generation=7 was not kept"):
        fork(longer, 7)
    with pytest.raises(UserError, match="remembers all before it"):
        fork(longer, 8)


# Refused


@pytest.mark.parametrize(
    ("generation", "changes", "sentence"),
    [
        (LAST + 1, {}, "generation=7 is not there: expected 0 to 6"),
        ("3", {}, "generation='3': expected a whole number"),
        (-1, {}, "generation=-1 is not there"),
        (LAST, {}, "generations=6 leaves nothing to run"),
        (AT, {"seed": 1}, "seed=1 differs from the source's 0"),
        (AT, {"chains": 3}, "chains=3 differs from the source's 2"),
        (AT, {"sweep": {"seed": 2}}, "the source has no chain of seed=1, replicate=0"),
        (AT, {"learner.name": "gmm"}, "learner.name='gmm' differs"),
        (AT, {"data.std": 2.0}, "data.std=2.0 differs"),
        (AT, {"data.num_samples": 9}, "data.num_samples=9 differs"),
        (AT, {"sweep": {"data.std": [1.0, 2.0]}}, "sweep over 'data.std'"),
        (AT, {"learner.nme": 2}, "is not a setting of the learner"),
        (AT, {"num_samples": 1}, "num_samples=1 is out of range"),
    ],
)
def test_what_cannot_be_forked(generation, changes, sentence, stored, tmp_path):
    with pytest.raises(UserError, match=sentence.replace("(", r"\(")):
        fork(stored, generation, {"generations": LAST} | changes, tmp_path / "fork")
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_statistics_hold_no_points():
    source = source_of(POINTS | {"learner.draw": "sufficient"}, "replace")
    with pytest.raises(UserError, match="fitted to statistics"):
        fork(source, AT, {"regime.name": "accumulate", "learner.draw": "samples"})
    assert fork(source, AT, {"learner.draw": "samples"}).generation == LAST


def test_parameters_of_other_shapes():
    source = source_of(TAGGED | {"learner": "toys:wide"}, "replace", generations=1)
    sentence = r"other shapes .*: generation would be float32 \(3,\) and is float32 \(1,\)"
    with pytest.raises(UserError, match=sentence):
        fork(source, 0, {"learner.width": 3})


def test_chains_that_are_left_out():
    source = source_of(POINTS, "replace", sweep={"seed": 2}, generations=1)
    with pytest.raises(UserError, match="the chain of seed=1, replicate=0 is missing"):
        fork(source, 0, {"sweep": {}})


def test_another_fork_in_its_folder_is_refused(stored, tmp_path):
    fork(stored, AT, {}, tmp_path / "fork")
    with pytest.raises(UserError, match="fork generation: 3 -> 2"):
        fork(stored, 2, {}, tmp_path / "fork")
    with pytest.raises(UserError, match=r"fork generation: \(absent\) -> 2"):
        fork(stored, 2, {}, stored)


# The command line


def test_forked_from_the_command_line(stored, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", f"--from={stored}", "--from_generation=3", "--workdir=y"]
    assert main([*words, "--config.num_samples=5", "--config.generations=5"]) == 0
    printed = capsys.readouterr()
    assert f"forked from {stored.resolve()} after generation 3" in printed.err
    assert (tmp_path / "y/figures/typical_path.png").is_file()
    assert oj.open_run("y").points[0]["num_samples"] == 5
    assert main(["--workdir=y"]) == 0
    assert "finished before" in capsys.readouterr().err
    assert main(["--workdir=y", "--config.generations=6"]) == 0
    assert oj.open_run("y").generation == 6
    capsys.readouterr()
    for wrong, sentence in (
        (["--config=gaussian", "--workdir=y"], "holds a fork of"),
        ([f"--from={stored}", "--workdir=z"], "--from goes with --from_generation"),
        (["--from_generation=3", "--workdir=z"], "--from_generation goes with --from"),
        (["--from=nowhere", "--from_generation=3"], "--from=nowhere is not there"),
        ([*words[1:3], "--config=gmm"], "--from takes no --config"),
        ([*words[1:3], "--dry_run"], "--from takes no --dry_run"),
        ([*words[1:3], "--config.seed=4"], "seed=4 differs"),
        ([*words[1:2], "--from_generation=9", "--workdir=z"], "leaves nothing to run"),
    ):
        assert main(wrong) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "z").exists() and not (tmp_path / "runs").exists()


def test_a_subsample_before_the_fork_is_the_sources(compiled_once):
    """Whatever room the fork needs for more points than the source ever drew."""
    names = {"learner": "gaussian", "regime": "accumulate_subsample", "data": "normal"}
    own = {"learner.draw": "samples", "num_samples": 20, "chains": 2, "generations": 3}
    source = oj.run(new_config(**names, **own), progress=False)
    fork = oj.fork(source, 3, {"num_samples": 30, "generations": 4}, progress=False)
    for generation in range(4):
        before, after = (run.data(generation, chain=1) for run in (source, fork))
        np.testing.assert_array_equal(after, before)
    assert len(fork.data(4, chain=1)) == 30

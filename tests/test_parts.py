"""Long draws, which the host drives some rows at a time: the rows of one call, cut or not."""

import jax
import numpy as np
import pytest
from cuts import interrupted_after

import ouroboros_jax as oj
from ouroboros_jax.config import new_config
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.programs.program import Program

LAST, STEPS, NUM, PART = 2, 3, 8, 3
TURNS = 3  # of three rows, three and two
REGIMES = {
    "replace": {},
    "window": {"regime.window": 2},
    "fresh": {"regime.real_fraction": 0.5, "regime.real_of": "previous"},
}


@pytest.fixture(autouse=True)
def shared(compiled_once, quick_compilation, monkeypatch):
    """Every piece of work is written at once."""
    monkeypatch.setattr("ouroboros_jax.host.loop.COMMIT_SECONDS", -1.0)
    monkeypatch.setattr("ouroboros_jax.host.loop.COMMIT_SHARE", 0)


def config_of(regime="replace", part=PART, **overrides):
    own = {"learner.hosted": True, "learner.part": part, "num_samples": NUM, "chains": 3}
    own |= {"generations": LAST, "data.num_samples": 10, "chain_block": 2}
    names = {"learner": "toys:pictures", "data": "toys:digits_of_mine"}
    return new_config(**names, regime=regime, **own | REGIMES[regime] | overrides)


def go(config, workdir=None):
    return oj.run(config, workdir, progress=False, figures=False)


def assert_same(a, b):
    for name in b.metrics.data_vars:
        np.testing.assert_array_equal(a.metrics[name], b.metrics[name], err_msg=name)


@pytest.fixture
def calls(monkeypatch):
    """Names of the stages that are called."""
    found, call = [], Program.call

    def told(self, name, *args, **kwargs):
        found.append(name)
        return call(self, name, *args, **kwargs)

    monkeypatch.setattr(Program, "call", told)
    return found


@pytest.mark.parametrize("regime", REGIMES)
def test_parts_are_the_rows_of_one_call(regime, calls):
    """What is trained on, what comes of it, and the training sets drawn again in one call."""
    whole = go(config_of(regime, part=0))
    assert "part" not in calls
    in_parts = go(config_of(regime))
    assert calls.count("part") == LAST * TURNS
    assert_same(in_parts, whole)
    for generation in range(LAST + 1):
        a, b = (run.data(generation, chain=1) for run in (in_parts, whole))
        assert len(a["label"]) == (NUM if generation else 10)
        jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("cut", range(STEPS + 2, STEPS + 1 + TURNS + 4))
def test_a_cut_loses_no_part_that_is_on_disk(cut, tmp_path, monkeypatch, calls):
    """Cut after every piece of generation 1: its draw, its beginning, its steps."""
    with interrupted_after(cut):
        go(config_of(), tmp_path / "run")
    drawn = calls.count("part")
    assert drawn == min(TURNS, cut - STEPS - 1)
    resumed = go(config_of(), tmp_path / "run")
    assert calls.count("part") == LAST * TURNS  # none of them twice
    assert_same(resumed, go(config_of()))


def test_few_points_are_one_part(calls):
    """As many rows as there are, not as a part may have."""
    assert_same(go(config_of(part=100)), go(config_of(part=0)))
    assert calls.count("part") == LAST


def test_parts_of_another_size_on_disk(tmp_path, calls):
    """Whole parts of today's size are taken up, the rest is drawn again."""
    with interrupted_after(STEPS + 3):
        go(config_of(), tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ouroboros_jax.host.progress.part_size", lambda *_: 4)
        patch.setattr("ouroboros_jax.pools.rows.part_size", lambda *_: 4)
        calls.clear()
        # Other programs, since those of `compiled_once` are of the other size.
        patch.setattr("ouroboros_jax.programs.program.Program._over_chains", _not_cached)
        resumed = go(config_of(), tmp_path / "run")
    assert calls.count("part") == 1 + (LAST - 1) * 2
    assert_same(resumed, go(config_of()))


def _not_cached(self, name, static):
    import functools

    from ouroboros_jax.programs.stages import IN_PLACE
    from ouroboros_jax.vectorize import over_chains

    function = functools.partial(getattr(self.stages, name), *static)
    return IN_PLACE.get(name, over_chains)(function, self.layout)


def test_progress_tells_parts_from_steps():
    from ouroboros_jax.programs.build import build
    from ouroboros_jax.sweep import expand

    (group,) = expand(config_of())
    progress = Progress(build(group, 2))
    while progress.generation < 0:
        assert progress.piece in ("the beginning of the first fit", "a step of the first fit")
        progress.work(1)
    pieces, done = [], []
    while progress.generation < 1:
        pieces.append(progress.piece)
        progress.work(1)
        done.append(progress.done)
    rest = ["the beginning of a fit"] + ["a step of a fit"] * STEPS
    assert pieces == ["a draw"] * TURNS + rest
    assert done == sorted(done) and done[-1] == 2 and done[TURNS - 1] == 1 + TURNS / (TURNS + STEPS)

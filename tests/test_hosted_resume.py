"""Long fits cut off anywhere, damaged and continued end in the bits of a quiet run."""

import shutil

import jax
import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax.config import new_config
from ouroboros_jax.disk.store import DiskStore
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.host.report import Report
from ouroboros_jax.host.restore import is_complete
from ouroboros_jax.programs.program import Program

LAST, STEPS = 2, 3
NOISE = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def shared(compiled_once, quick_compilation, monkeypatch):
    """Every step of every fit is written at once."""
    monkeypatch.setattr("ouroboros_jax.host.loop.COMMIT_SECONDS", -1.0)
    monkeypatch.setattr("ouroboros_jax.host.loop.COMMIT_SHARE", 0)


def config_of(points="recipes", **overrides):
    own = {"learner.hosted": True, "learner.points": points, "num_samples": 6, "chains": 2}
    own |= {"generations": LAST, "data.num_samples": 8, "chain_block": 1}
    names = {"learner": "toys:pictures", "data": "toys:digits_of_mine", "regime": "accumulate"}
    return new_config(**names, **own | overrides)


def go(config, workdir=None):
    return oj.run(config, workdir, progress=False, figures=False)


def assert_same(a, b):
    assert a.generation == b.generation
    for name in b.metrics.data_vars:
        np.testing.assert_array_equal(a.metrics[name], b.metrics[name], err_msg=name)
    for g in range(b.generation + 1):
        for x, y in zip(*(jax.tree.leaves(plain(r.params(g))) for r in (a, b)), strict=True):
            np.testing.assert_array_equal(x, y)


def plain(params):
    return params._asdict() if hasattr(params, "_asdict") else params


@pytest.fixture(scope="module")
def quiet(compiled_once):
    """Runs that nothing happened to, by how pools hold their points."""
    return {points: go(config_of(points)) for points in ("recipes", "rows")}


@pytest.mark.parametrize(("points", "every"), [("recipes", 3), ("rows", 5)])
def test_killed_between_any_two_writes(points, every, quiet, tmp_path, monkeypatch):
    """What is on disk before and after every write is what a kill leaves behind."""
    config, left = config_of(points), []

    def watched(name):
        write = getattr(DiskStore, name)

        def told(self, *args):
            write(self, *args)
            left.append(tmp_path / f"{len(left)}-{name}")
            shutil.copytree(tmp_path / "run", left[-1])

        return told

    with monkeypatch.context() as patch:
        for name in ("append", "save_state"):
            patch.setattr(DiskStore, name, watched(name))
        go(config, tmp_path / "run")
    assert len(left) == (LAST + 1) * (STEPS + 1)  # each step but the last, the end, its metrics
    appended = [path for path in left if path.name.endswith("append")]
    for folder in {*left[::every], appended[1]}:
        before = oj.open_run(folder)
        assert before.manifest["status"] == "running"
        assert before.metrics.sizes["chain"] == 2
        assert_same(go(config, folder), quiet[points])


def test_interrupted_right_after_a_write(quiet, tmp_path, monkeypatch):
    """The step on disk stays, Ctrl-C is Ctrl-C, and nothing is run twice over."""
    append, save = DiskStore.append, DiskStore.save_state
    for name, write in (("append", append), ("save_state", save)):
        folder = tmp_path / name

        def cut(self, *args, write=write):
            write(self, *args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(DiskStore, name, cut)
            with pytest.raises(KeyboardInterrupt):
                go(config_of(), folder)
        assert_same(go(config_of(), folder), quiet["recipes"])


def test_interrupted_in_generation_0(quiet, tmp_path, monkeypatch):
    """There is nothing to see yet, what can be opened says so, and the fit goes on, twice."""
    work = Progress.work
    for pieces in (3, 2):
        done = []

        def cut(self, num, done=done, pieces=pieces):
            if len(done) == pieces:
                raise KeyboardInterrupt
            done.append(num)
            return work(self, num)

        with monkeypatch.context() as patch:
            patch.setattr(Progress, "work", cut)
            with pytest.raises(KeyboardInterrupt):
                go(config_of(), tmp_path / "run")
    # 2 of 3 steps at first; then the third ends generation 0, and the next begins.
    opened = oj.open_run(tmp_path / "run")
    assert opened.generation == 0 and opened.manifest["status"] == "interrupted"
    assert (opened.metrics["status"].values[:, 1:] == -1).all()
    assert_same(go(config_of(), tmp_path / "run"), quiet["recipes"])


@pytest.mark.parametrize("step", [0, STEPS])
def test_cut_before_and_after_the_steps_of_a_fit(step, quiet, tmp_path, monkeypatch):
    """Begun and no more, or through with its steps and not yet measured."""
    call, seen = Program.call, []
    name, times = ("advance", 1) if step == 0 else ("finish", LAST + 1)

    def cut(self, function, *args, **kwargs):
        seen.append(function)
        if function == name and seen.count(name) == times:
            raise KeyboardInterrupt
        return call(self, function, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Program, "call", cut)
        with pytest.raises(KeyboardInterrupt):
            go(config_of("rows"), tmp_path / "run")
    resumed = go(config_of("rows"), tmp_path / "run")
    assert_same(resumed, quiet["rows"])
    assert all(is_complete(store, LAST) for store in oj.open_run(tmp_path / "run").stores)


@NOISE
@pytest.mark.parametrize("points", ["recipes", "rows"])
def test_a_damaged_state_falls_back_to_whole_generations(points, quiet, tmp_path, monkeypatch):
    """In the midst of a fit: the begun one is begun again, what is remembered is drawn again."""
    step = Report.step

    def cut(self, what, reached):
        step(self, what, reached)
        if what == "running" and reached > 1.5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Report, "step", cut)
        with pytest.raises(KeyboardInterrupt):
            go(config_of(points), tmp_path / "run")
    (state,) = (path for path in (tmp_path / "run/resume").iterdir() if path.name.isdigit())
    for path in state.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    assert_same(go(config_of(points), tmp_path / "run"), quiet[points])


def test_more_generations_of_a_finished_run(quiet, tmp_path):
    go(config_of("rows", generations=1), tmp_path / "run")
    assert_same(go(config_of("rows"), tmp_path / "run"), quiet["rows"])
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/*")}
    assert_same(go(config_of("rows"), tmp_path / "run"), quiet["rows"])
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/*")}


def test_a_fork_of_a_long_fit_is_cut_and_resumed(quiet, tmp_path, monkeypatch):
    """Two groups: one that is through, one in the midst of a fit."""
    changes = {"sweep": {"num_samples": [6, 9]}, "generations": 3}
    whole = oj.fork(quiet["recipes"], 1, changes, progress=False)
    assert len(whole.groups) == 2
    save, states = DiskStore.save_state, []

    def cut(self, number, state):
        save(self, number, state)
        states.append(number)
        if len(states) == 3 * STEPS - 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "save_state", cut)
        with pytest.raises(KeyboardInterrupt):
            oj.fork(quiet["recipes"], 1, changes, tmp_path / "fork", progress=False)
    resumed = oj.fork(quiet["recipes"], 1, changes, tmp_path / "fork", progress=False)
    for name in whole.metrics.data_vars:
        np.testing.assert_array_equal(resumed.metrics[name], whole.metrics[name], err_msg=name)
    same = whole.metrics["variance"].values[:2, : LAST + 1]
    np.testing.assert_array_equal(same, quiet["recipes"].metrics["variance"])

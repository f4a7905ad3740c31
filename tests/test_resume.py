"""A cut never shows: stopped, interrupted, killed or damaged, a run ends in the same bits."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cuts import cut_after

import ouroboros_jax as oj
from ouroboros_jax.checkpoint import Damaged
from ouroboros_jax.config import new_config, to_json
from ouroboros_jax.disk import rundir
from ouroboros_jax.errors import UserError

LAST = 12
BASE = {
    "chains": 3,
    "generations": LAST,
    "chain_block": 2,
    "num_samples": 8,
    "metrics": ("variance", "mean"),
    "data.num_test": 0,
    "store.segment": 2,
}
POINTS, KEPT = {"learner.draw": "samples"}, {"regime": "window", "regime.kept": True}
CASES = {
    "points-subsample": POINTS | {"regime": "accumulate_subsample"},
    "points-schedule": POINTS | {"regime": "accumulate", "num_samples": (12,) * 7 + (20,)},
    "points-window": POINTS | {"regime": "window"},
    "points-kept-window": POINTS | KEPT,
    "statistics-accumulate": {"regime": "accumulate"},
    "statistics-kept-window": KEPT,
    "thinned": {"regime": "fresh", "store.every": 3},
    "thinned-subsample": POINTS | {"regime": "accumulate_subsample", "store.every": 3},
    "mixtures": {"learner": "gmm", "num_samples": 20, "learner.init": "previous", "chain_block": 1},
}
NAMES = {"learner": "gaussian", "regime": "replace", "data": "normal"}


def config_of(case, **overrides):
    settings = BASE | CASES[case] | overrides
    names = {name: settings.pop(name, default) for name, default in NAMES.items()}
    return new_config(**names, **settings)


@pytest.fixture(autouse=True)
def shared(compiled_once, monkeypatch):
    """Programs are compiled once; a step on disk holds few generations."""
    monkeypatch.setattr("ouroboros_jax.host.loop.SEGMENT_GENERATIONS", 2)


def go(case, workdir=None, **overrides):
    return oj.run(config_of(case, **overrides), workdir, progress=False, figures=False)


def leaves(tree):
    return [tree[name] for name in sorted(tree)] if isinstance(tree, dict) else list(tree)


def assert_same(a, b, last=LAST):
    """Metrics and parameters of two runs, bit for bit."""
    assert a.generation == b.generation == last
    assert set(a.metrics.data_vars) == set(b.metrics.data_vars)
    for name in a.metrics.data_vars:
        np.testing.assert_array_equal(a.metrics[name], b.metrics[name], err_msg=name)
    for g in range(last + 1):
        if g % a.config.store.every and g != last:
            continue
        for x, y in zip(leaves(plain(a.params(g))), leaves(plain(b.params(g))), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y, err_msg=f"generation {g}")


def plain(params):
    return params._asdict() if hasattr(params, "_asdict") else params


@pytest.fixture(scope="module")
def undisturbed():
    """Runs that nothing happened to, in memory."""
    runs = {}

    def get(case):
        if case not in runs:
            runs[case] = go(case)
        return runs[case]

    return get


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_gone_on(case, undisturbed, tmp_path):
    """5 generations and then 12, on disk, are 12 in memory."""
    short = go(case, tmp_path / "run", generations=5)
    assert short.generation == 5
    whole = go(case, tmp_path / "run")
    assert_same(whole, undisturbed(case))
    assert_same(oj.open_run(tmp_path / "run"), undisturbed(case))


@pytest.mark.parametrize(
    ("case", "generation"),
    [
        ("points-subsample", 0),
        ("points-schedule", 7),
        ("statistics-accumulate", 7),
        ("thinned", 5),
    ],
)
def test_interrupted_and_resumed(case, generation, undisturbed, tmp_path):
    """Ctrl-C keeps what was reached, can be looked at, and the rest follows."""
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, generation)
        with pytest.raises(KeyboardInterrupt):
            go(case, tmp_path / "run")
    half = oj.open_run(tmp_path / "run")
    assert half.manifest["status"] == "interrupted"
    assert generation <= half.generation < LAST
    there = half.generation + 1
    expected = undisturbed(case).metrics["variance"].values[:, :there]
    np.testing.assert_array_equal(half.metrics["variance"].values[:, :there], expected)
    assert_same(go(case, tmp_path / "run"), undisturbed(case))


@pytest.mark.parametrize(
    "case", ["points-subsample", "statistics-accumulate", "statistics-kept-window", "mixtures"]
)
def test_a_fork_without_changes_is_its_source(case, undisturbed):
    """What is remembered is drawn again, as for a state that was lost."""
    source = undisturbed(case)
    assert_same(oj.fork(source, 7, progress=False), source)


def test_interrupted_inside_a_device_call(undisturbed, tmp_path):
    """Ctrl-C while results are awaited: state and segments still agree."""
    from ouroboros_jax.vectorize import Layout

    case, calls = "statistics-accumulate", []
    join = Layout.join_segment

    def awaited(self, tree, num):
        calls.append(num)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return join(self, tree, num)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "join_segment", awaited)
        with pytest.raises(KeyboardInterrupt):
            go(case, tmp_path / "run")
    assert_same(go(case, tmp_path / "run"), undisturbed(case))


# Damage

# Where one array cannot be read, TensorStore drops its reads of the others with a noise.
NOISE = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def damage(step: Path, how: str):
    """Spoil the files of a step that hold its arrays, or remove it."""
    if how == "remove":
        shutil.rmtree(step)
        return
    files = [path for path in step.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = bytearray(path.read_bytes())
        if how == "truncate":
            path.write_bytes(content[: len(content) // 2])
        elif how == "flip" and "d" in path.parts[-2:-1]:
            for i in range(len(content) // 4, len(content), 7):
                content[i] ^= 0xFF
            path.write_bytes(content)
        elif how == "lose" and path.suffix == ".ocdbt":
            path.unlink()


def step_of(folder: Path, generation: int) -> Path:
    steps = sorted((int(path.name), path) for path in folder.iterdir() if path.name.isdigit())
    return next(path for number, path in steps if number >= generation)


@NOISE
@pytest.mark.parametrize(
    ("case", "how"),
    [("points-subsample", "truncate"), ("statistics-accumulate", "flip"), ("thinned", "lose")],
)
def test_a_damaged_state_is_drawn_again(case, how, undisturbed, tmp_path):
    go(case, tmp_path / "run", generations=6)
    damage(step_of(tmp_path / "run" / "resume", 6), how)
    assert_same(go(case, tmp_path / "run"), undisturbed(case))


@NOISE
@pytest.mark.parametrize(
    ("case", "how", "reached"),
    [
        ("points-subsample", "flip", LAST - 1),
        ("points-subsample", "lose", LAST),
        ("statistics-accumulate", "truncate", LAST - 1),
        ("statistics-accumulate", "remove", LAST),
    ],
    ids=["flip", "lose-finished", "truncate", "remove-finished"],
)
def test_a_damaged_generation_is_named_and_run_again(case, how, reached, undisturbed, tmp_path):
    go(case, tmp_path / "run", generations=reached)
    step = step_of(tmp_path / "run" / "generations", 6)
    steps = sorted(int(path.name) for path in step.parent.iterdir() if path.name.isdigit())
    damage(step, how)
    opened = oj.open_run(tmp_path / "run")
    first = steps[steps.index(int(step.name)) - 1] + 1
    with pytest.raises(Damaged, match=rf"generations {first} to {step.name} "):
        opened.params(6)
    np.testing.assert_array_equal(
        leaves(plain(opened.params(2)))[0], leaves(plain(undisturbed(case).params(2)))[0]
    )
    assert_same(go(case, tmp_path / "run"), undisturbed(case))
    assert_same(oj.open_run(tmp_path / "run"), undisturbed(case))


def test_what_a_killed_writer_left_is_removed(undisturbed, tmp_path):
    case = "statistics-accumulate"
    go(case, tmp_path / "run", generations=4)
    left = [
        tmp_path / "run" / name / "9.orbax-checkpoint-tmp" for name in ("generations", "resume")
    ]
    for folder in left:
        folder.mkdir()
        (folder / "half").write_text("of a step")
    oj.open_run(tmp_path / "run").params(2)
    assert all(folder.exists() for folder in left), "readers remove nothing"
    assert_same(go(case, tmp_path / "run"), undisturbed(case))
    assert not any(folder.exists() for folder in left)


# Whose folder it is


def test_a_finished_run_is_left_alone(tmp_path, capsys):
    config = config_of("thinned")
    oj.run(config, tmp_path / "run", progress=False, figures=False)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = oj.run(config, tmp_path / "run", progress=True, figures=False)
    assert again.generation == LAST
    assert "finished" in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {p for p in after if p.name != ".lock"} == {p for p in stamps if p.name != ".lock"}
    assert all(
        after[p] == stamps[p] for p in stamps if p.suffix in (".nc", ".json") or "d" in p.parts
    )


def test_another_run_is_refused_with_the_fields_that_differ(tmp_path):
    go("thinned", tmp_path / "run", generations=2)
    kept = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    for overrides, field in (
        ({"num_samples": 9}, "num_samples: 8 -> 9"),
        ({"learner.estimator": "unbiased"}, "learner.estimator"),
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"chain_block": 1}, "chain_block: 2 -> 1"),
        ({"data.std": 2.0}, "data.std"),
    ):
        with pytest.raises(UserError, match=field):
            go("thinned", tmp_path / "run", **overrides)
    now = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    assert now == kept, "nothing was written"
    go("thinned", tmp_path / "run", generations=3, **{"figures.pdf": True, "store.segment": 1})


def test_a_run_from_before_there_was_a_setting_goes_on(tmp_path):
    """The setting is at its default, and nowhere else."""
    workdir = tmp_path / "run"
    go("statistics-accumulate", workdir, generations=2)
    manifest = json.loads((workdir / rundir.MANIFEST).read_text())
    del manifest["identity"]["config"]["compile"]
    (workdir / rundir.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="compile: 'thorough' -> 'quick'"):
        go("statistics-accumulate", workdir, generations=4, compile="quick")
    assert go("statistics-accumulate", workdir, generations=4).metrics.generation[-1] == 4


def test_another_table_is_refused(tmp_path):
    rows = np.random.default_rng(0).random((30, 1))
    np.save(tmp_path / "rows.npy", rows)
    overrides = {"data": str(tmp_path / "rows.npy"), "generations": 2, "data.num_test": 5}
    go("thinned", tmp_path / "run", **overrides)
    np.save(tmp_path / "rows.npy", rows + 1)
    with pytest.raises(UserError, match="sha256"):
        go("thinned", tmp_path / "run", **overrides | {"generations": 3})


def test_another_table_of_a_sweep_is_refused(tmp_path):
    """Whichever of the data sets it is; and a small one is found before anything runs."""
    rows = np.random.default_rng(0).random((30, 1))
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    overrides = {"sweep": {"data.name": ["normal", str(path)]}, "generations": 2}
    go("thinned", tmp_path / "run", **overrides)
    np.save(path, rows + 1)
    with pytest.raises(UserError, match="the data's sha256 of group g001"):
        go("thinned", tmp_path / "run", **overrides | {"generations": 3})
    with pytest.raises(UserError, match="no longer what this run was trained on"):
        oj.open_run(tmp_path / "run").data(1, 3)
    with pytest.raises(UserError, match="no longer what the source was trained on"):
        oj.fork(oj.open_run(tmp_path / "run"), 0, {}, progress=False)
    np.save(path, rows[:5])
    with pytest.raises(UserError, match="8 real points were asked for"):
        go("thinned", tmp_path / "new", **overrides)
    assert not (tmp_path / "new").exists()


def test_one_writer_at_a_time(tmp_path):
    go("thinned", tmp_path / "run", generations=2)
    lock = rundir.Lock(tmp_path / "run")
    with pytest.raises(UserError, match="being written by another process"):
        go("thinned", tmp_path / "run", generations=3)
    assert oj.open_run(tmp_path / "run").generation == 2, "reading needs no right to write"
    lock.release()
    assert go("thinned", tmp_path / "run", generations=3).generation == 3


def test_reading_leaves_a_writer_alone(tmp_path):
    """What a writer has half-written is not cleared away by somebody who only looks."""
    go("thinned", tmp_path / "run", generations=2)
    folders = [tmp_path / "run" / name for name in ("generations", "resume")]
    half = [folder / "9.orbax-checkpoint-tmp" for folder in folders]
    for path in half:
        path.mkdir()
        (path / "d").write_text("under way")
    opened = oj.open_run(tmp_path / "run")
    assert opened.generation == 2
    opened.params(2)
    assert all((path / "d").exists() for path in half)


# Killed

CHILD = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
import ouroboros_jax as oj
from ouroboros_jax.host import loop
from ouroboros_jax.config import from_json
from ouroboros_jax.disk.store import DiskStore

loop.SEGMENT_GENERATIONS = 2
for name in ("append", "save_state"):
    def told(self, *args, name=name, original=getattr(DiskStore, name)):
        print(name, flush=True)
        original(self, *args)
        print(name, "done", flush=True)
    setattr(DiskStore, name, told)
oj.run(from_json(open(sys.argv[1]).read()), sys.argv[2], progress=False, figures=False)
print("finished", flush=True)
"""


def child(tmp_path, workdir, kill_after=None):
    """Run in a process of its own, compiled as users' are, killed once it has said so many lines;
    whether it finished."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment["PYTHONPATH"] = str(Path(oj.__file__).parents[1])
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}  # by the first for all
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "config.json"), str(workdir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for lines, line in enumerate(process.stdout, 1):
        if line.startswith("finished"):
            break
        if lines == kill_after:
            process.send_signal(signal.SIGKILL)
            break
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode == 0


@pytest.mark.slow
def test_killed_several_times_over(tmp_path):
    """SIGKILL, now in the midst of a write, now between two: the end is that of a quiet run."""
    (tmp_path / "config.json").write_text(to_json(config_of("points-subsample")))
    assert child(tmp_path, tmp_path / "quiet")
    moments = random.Random(3)
    reached = []
    for _ in range(3):
        assert not child(tmp_path, tmp_path / "run", moments.randint(1, 9))
        if (tmp_path / "run" / "run.json").exists():
            reached.append(oj.open_run(tmp_path / "run").generation)
    assert max(reached) > 0
    while not child(tmp_path, tmp_path / "run"):
        pass
    opened = oj.open_run(tmp_path / "run")
    assert opened.manifest["status"] == "finished"
    assert_same(opened, oj.open_run(tmp_path / "quiet"))

"""The command line: what it does, what it refuses in one sentence, and how fast it answers."""

import os
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

import ouroboros_jax
from ouroboros_jax import cli
from ouroboros_jax.cli import verbs
from ouroboros_jax.cli.command import FLAGS, VERBS, parse
from ouroboros_jax.config import load_config, to_json
from ouroboros_jax.config_files import packaged_configs
from ouroboros_jax.errors import UserError
from ouroboros_jax.export import export as write

ROOT = Path(__file__).parent.parent
CONFIGS = ", ".join(packaged_configs())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """The parts behind the command line, replaced by ones that note how they are called."""
    calls = []
    monkeypatch.setattr(verbs, "start_backend", lambda devices: calls.append(("start", devices)))

    def run(config, **options):
        calls.append(("run", config, options))

    def dry_run(config, *, timed=False):
        calls.append(("dry_run", timed))
        return "what it would do"

    def open_run(workdir):
        calls.append(("open_run", workdir))
        config = load_config("gmm")
        return types.SimpleNamespace(config=config, sample=sample, generation=7, export=export)

    def export(**options):
        point = {"learner.name": "gmm"}
        write(point, lambda: None, options["out"])

    def sample(**options):
        calls.append(("sample", options))
        return np.arange(6.0).reshape(3, 2)

    def draw(opened):
        calls.append(("draw", opened.config.figures.pdf))

    for name, module in {
        "experiment": types.SimpleNamespace(run=run),
        "dryrun": types.SimpleNamespace(dry_run=dry_run),
        "results": types.SimpleNamespace(open_run=open_run),
        "figures": types.SimpleNamespace(draw=draw),
    }.items():
        monkeypatch.setitem(sys.modules, f"ouroboros_jax.{name}", module)
        monkeypatch.setattr(ouroboros_jax, name, module, raising=False)
    return calls


def stored(folder="runs/gmm"):
    path = Path(folder)
    path.mkdir(parents=True)
    (path / "config.json").write_text(to_json(load_config("gmm", {"chains": 5})))
    return str(path)


def test_run(calls, capsys):
    assert cli.main(["--config=gmm:iris", "--config.chains=3", "--workdir=w", "--devices=2"]) == 0
    (_, devices), (_, config, options) = calls
    assert devices == 2 and config.chains == 3 and config.data.name == "iris"
    assert options == {"workdir": "w", "name": "gmm:iris", "progress": True}
    assert capsys.readouterr().out.startswith("workdir w\n")


def test_ways_to_write_a_setting():
    words = [
        *("--config", "gmm", "--config.chains", "3", "--config.figures.pdf", "--noconfig.x64"),
        *("--config.learner.tol=[1e-3, 1e-4]", "--config.sweep={'seed': 3}", "--workdir", "w"),
        *("--config.num_samples=linear(10, 5)", "--config.data.dir", "/tmp", "--dry_run"),
    ]
    command = parse(words)
    assert command.verb == "run" and command.flags["config"] == "gmm"
    assert command.flags["workdir"] == "w" and command.flags["dry_run"] is True
    assert command.overrides == {
        "chains": 3,
        "figures.pdf": True,
        "x64": False,
        "learner.tol": [1e-3, 1e-4],
        "sweep": {"seed": 3},
        "num_samples": "linear(10, 5)",
        "data.dir": "/tmp",
    }
    assert parse(["--config=gmm", "--config.seed", "-3"]).overrides == {"seed": -3}
    assert parse(["--workdir=a", "figures"]).verb == "figures"


def test_no_workdir_means_a_new_one_printed_first(calls, capsys):
    assert cli.main(["--config=gmm:iris"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("workdir runs/gmm-iris-20")
    assert calls[-1][2]["workdir"] == first.removeprefix("workdir ")


@pytest.mark.parametrize("name", ["gmm", "heat_death"])
def test_default_workdirs_do_not_collide(name):
    found = []
    for _ in range(3):
        found.append(verbs.default_workdir(name))
        found[-1].mkdir(parents=True)
    assert len(set(found)) == 3
    assert all(path.name.startswith(f"{name}-20") for path in found)


def test_resume_by_workdir_alone(calls):
    workdir = stored()
    assert cli.main([f"--workdir={workdir}", "--config.generations=30"]) == 0
    config = calls[-1][1]
    assert (config.chains, config.generations, config.learner.name) == (5, 30, "gmm")


def test_dry_run(calls, capsys, elsewhere):
    assert cli.main(["--config=gmm", "--dry_run", "--time"]) == 0
    assert calls[-1] == ("dry_run", True)
    assert "what it would do" in capsys.readouterr().out
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["a.npz", "deep/b.npy", "c.csv"])
def test_sample(calls, name):
    words = ["sample", f"--workdir={stored()}", "--generation=3", f"--out={name}", "--chain=1"]
    assert cli.main(words) == 0
    assert calls[-1] == (
        "sample",
        {"generation": 3, "chain": 1, "num_samples": 64, "seed": 0},
    )
    path = Path(name)
    if path.suffix == ".csv":
        read = np.loadtxt(path, delimiter=",")
    else:
        read = np.load(path)["data"] if path.suffix == ".npz" else np.load(path)
    np.testing.assert_array_equal(read, np.arange(6.0).reshape(3, 2))
    assert [p.name for p in path.parent.glob("*") if p.is_file()] == [path.name]


def test_figures(calls):
    assert cli.main(["figures", f"--workdir={stored()}", "--config.figures.pdf=True"]) == 0
    assert calls[-1] == ("draw", True)


@pytest.mark.parametrize("closed", ["runs/gmm", "runs/gmm/figures"])
def test_figures_need_a_folder_that_can_be_written(closed, calls, capsys, elsewhere, monkeypatch):
    stored()
    Path(closed).mkdir(exist_ok=True)
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != closed)
    assert cli.main(["figures", "--workdir=runs/gmm"]) == 2
    refusal = f"folder runs/gmm/figures cannot be written: no permission for {closed}"
    assert capsys.readouterr().err == f"error: {refusal}\n"
    assert calls[-1][0] != "draw"


def test_interrupt_says_how_to_resume(calls, capsys, monkeypatch):
    def interrupted(config, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(ouroboros_jax.experiment, "run", interrupted)
    monkeypatch.setattr(sys, "argv", ["/somewhere/launch.py"])
    assert cli.main(["--config=gmm", "--workdir=w"]) == 130
    error = capsys.readouterr().err
    assert "start again with: python launch.py --config=gmm --workdir=w" in error
    assert cli.main([f"--workdir={stored()}"]) == 130
    error = capsys.readouterr().err
    assert "after generation 7" in error
    assert "resume with: python launch.py --workdir=runs/gmm" in error


def test_a_bug_keeps_its_traceback(calls, monkeypatch):
    def broken(config, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(ouroboros_jax.experiment, "run", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["--config=gmm", "--workdir=w"])


def test_errors_from_the_run_exit_2(calls, capsys, monkeypatch):
    def refused(config, **options):
        raise UserError("another run lives there")

    monkeypatch.setattr(ouroboros_jax.experiment, "run", refused)
    assert cli.main(["--config=gmm", "--workdir=w"]) == 2
    assert capsys.readouterr().err == "error: another run lives there\n"


SAMPLE = ["sample", "--workdir=runs/gmm", "--generation=1", "--out=a.npz"]
REFUSED = [
    (["rum"], "expected run, sample, evaluate, figures, export and verify; did you mean 'run'?"),
    (["run", "now"], "'now' is one word too many after run"),
    (["--confg=gmm"], "there is no flag --confg; did you mean '--config'?"),
    (["--chains=3"], "there is no flag --chains: settings are written --config.chains=<value>"),
    (["--regime.name=fresh"], "settings are written --config.regime.name=<value>"),
    (["--config=gmm", "--seed=3"], "run takes no --seed: settings are written --config.seed="),
    (["--config=gmm", "--config.sweep={'seeds': 3}"], "no setting 'seeds'; did you mean 'seed'?"),
    (["--flagfile=x"], "there is no flag --flagfile"),
    (["--config=gmm", "--undefok=x", "--x=1"], "there is no flag --undefok"),
    (["--config"], "--config needs a value"),
    (["--config=gmm", "--workdir="], "--workdir needs a value"),
    ([], f"what is to run? --config={CONFIGS} or a file of your own"),
    (["--config=gmn"], "there is no config 'gmn'"),
    (["--config=gmm:xy"], "has no variant 'xy'"),
    (["--config=gmm", "--config.=3"], "names no setting"),
    (["--config=gmm", "--config.learner.componets=3"], "did you mean 'learner.components'?"),
    (["--config=gmm", "--config.chains", "-3"], "chains=-3 is out of range"),
    (["--config=gmm", "--config.learner.name=gausian"], "did you mean 'gaussian'?"),
    (["--config=gmm", "--config.regime.name=acumulate"], "did you mean 'accumulate'?"),
    (["--config=gmm", "--config.learner.components=2000"], "num_samples=1000 is too few"),
    (["--config=gmm", "--config.sweep={'nothing': [1]}"], "there is no setting 'nothing'"),
    (["--config=gmm", "--config.sweep={'seed': 10**7}"], "is not a dict"),
    (["--config=gmm", "--config.sweep={'seed': 10000000}"], "10,000,000 combinations"),
    (["--config=gmm", "--config.sweep={'num_samples': [10, 3], 'learner.components': [2, 4]}"],
     "num_samples=3 is too few"),
    (["--config=gmm", "--generation=3"], "run takes no --generation: it takes --config"),
    (["--config=gmm", "--time"], "--time goes with --dry_run"),
    (["--config=gmm", "--dry_run=maybe"], "--dry_run=maybe is not true or false"),
    (["--config=gmm", "--devices=0"], "--devices=0 is not a whole number from 1 to 1024"),
    (["--config=gmm", "--devices=two"], "--devices=two is not a whole number"),
    (["--config=gmm", "--workdir=file"], "file is a file; expected a folder"),
    (["--config=gmm", "--workdir=file/deeper"], "cannot be made: file is a file"),
    (["--workdir=nowhere"], "--workdir=nowhere holds no run to resume"),
    (["sample"], "sample needs --workdir"),
    (["sample", "--workdir=runs/gmm"], "sample needs --generation"),
    (["sample", "--workdir=runs/gmn", *SAMPLE[2:]], "did you mean 'runs/gmm'?"),
    ([*SAMPLE[:3], "--out=a.gif"], "--out=a.gif does not end in .npz, .npy, .csv, .png, .txt"),
    ([*SAMPLE, "--config.seed=3"], "sample takes no --config.seed"),
    ([*SAMPLE, "--num_samples=0"], "--num_samples=0 is not a whole number of at least 1"),
    (["figures", "--workdir=runs/gmm", "--config.seed=3"], "figures takes no --config.seed"),
    (["evaluate", "--workdir=runs/gmm"], "evaluate needs --data"),
    (["export", "--workdir=runs/gmm", "--generation=0", "--out=x"], "export writes language"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_refusals(words, sentence, calls, capsys, elsewhere):
    stored()
    Path("file").write_text("")
    before = sorted(elsewhere.rglob("*"))
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ")
    assert sentence in printed.err and printed.err.count("\n") == 1
    assert sorted(elsewhere.rglob("*")) == before, "nothing is written"
    assert not any(call[0] == "run" for call in calls)


def test_help(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in VERBS)
    assert all(f"--{flag}" in text for flag in FLAGS)
    assert cli.main(["sample", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--generation" in text and "--dry_run" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_help_of_a_config(capsys):
    assert cli.main(["--config=gmm:iris", "--config.chains=7", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Gaussian mixtures fitted by EM" in text
    for line in ("chains=7", "learner.components=3", "regime.real_fraction=0.1", "in [0, 1]"):
        assert line in text


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--help"], 0), (["--config=gmm", "--help"], 0), (["--config=gmm", "--config.x=1"], 2)],
)
def test_answers_in_under_two_seconds_without_jax(words, status):
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from ouroboros_jax.cli import main;"
        "status = main(sys.argv[1:]); assert 'jax' not in sys.modules; sys.exit(status)"
    )
    start = time.perf_counter()
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    assert done.returncode == status, done.stderr
    assert used < 2, f"{used} s of processor, {time.perf_counter() - start} s in all"
    assert "Traceback" not in done.stderr


def test_launch_hands_over(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "rum"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2 and "there is no verb 'rum'" in done.stderr


def test_the_package_is_lazy():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import ouroboros_jax as oj;"
        "assert 'numpy' not in sys.modules and 'jax' not in sys.modules;"
        "assert oj.load_config('gmm').chains == 64; assert str(oj.linear(1, 2)) == 'linear(1, 2)';"
        "assert oj.__version__ and 'run' in dir(oj); assert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = ouroboros_jax.runn

"""What cannot be done is said in one sentence that names the value, and nothing is written."""

import json
import os

import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax.checks import unread
from ouroboros_jax.config import apply, flatten, new_config
from ouroboros_jax.errors import UserError, listed, nearest

pytestmark = pytest.mark.usefixtures("quick_compilation")

LEAN = {
    "chains": 3,
    "generations": 2,
    "num_samples": 12,
    "metrics": ("variance",),
    "data.num_test": 0,
    "learner.draw": "samples",
}


def config_of(**overrides):
    return oj.load_config("gaussian", LEAN | overrides)


@pytest.fixture(scope="module")
def run(compiled_once):
    return oj.run(config_of(), progress=False)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda run: run.params(3), "generation=3 is not there: expected 0 to 2"),
        (lambda run: run.params(-1), "generation=-1 is not there"),
        (lambda run: run.params(1.0), "generation=1.0: expected a whole number"),
        (lambda run: run.params(True), "generation=True: expected a whole number"),
        (lambda run: run.params("1"), "generation='1': expected a whole number"),
        (lambda run: run.params(None), "generation=None: expected a whole number"),
        (lambda run: run.params(1, chain=3), "chain=3 is not there: expected 0 to 2"),
        (lambda run: run.params(1, chain=-1), "chain=-1 is not there"),
        (lambda run: run.params(1, chain=0.5), "chain=0.5: expected a whole number"),
        (lambda run: run.params(1, group="g001"), "group='g001' is not there"),
        (lambda run: run.data(3, 0), "generation=3 is not there: expected 0 to 2"),
        (lambda run: run.data(-1, 0), "generation=-1 is not there"),
        (lambda run: run.data(1, 9), "chain=9 is not there"),
        (lambda run: run.data("1", 0), "generation='1': expected a whole number"),
        (lambda run: run.sample(5, 0), "generation=5 is not there"),
        (lambda run: run.sample(1, 5), "chain=5 is not there"),
        (lambda run: run.sample(1, 0, 0), "num_samples=0: expected 1 to"),
        (lambda run: run.sample(1, 0, 2.5), "num_samples=2.5: expected a whole number"),
    ],
)
def test_what_a_run_does_not_have(run, ask, sentence):
    with pytest.raises(UserError, match=sentence.replace("(", r"\(")):
        ask(run)


def untouched(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refuse(config, workdir, sentence, folder):
    before = untouched(folder)
    with pytest.raises(UserError, match=sentence):
        oj.run(config, workdir, progress=False)
    assert untouched(folder) == before


def test_workdirs_that_are_no_runs(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    refuse(config_of(), file, "is a file", tmp_path)
    refuse(config_of(), file / "inside", "is a file", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    refuse(config_of(), other, "'thesis.tex' but no run", tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_workdir_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    refuse(config_of(), tmp_path / "run", "cannot be written", tmp_path)


def test_folders_that_cannot_be_opened(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        oj.open_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no run"):
        oj.open_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json cannot be read"):
        oj.open_run(tmp_path)
    with pytest.raises(UserError, match=r"run\.json cannot be read"):
        oj.run(config_of(), tmp_path, progress=False)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="is no run's"):
        oj.open_run(tmp_path)
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"run\.json cannot be read"):
        oj.open_run(tmp_path)


def test_manifests_from_before_their_timings(compiled_once, tmp_path):
    oj.run(config_of(), tmp_path, progress=False, figures=False)
    path = tmp_path / "run.json"
    told = json.loads(path.read_text())
    del told["timings"]
    told["data"]["origin"] = None
    path.write_text(json.dumps(told))
    assert oj.open_run(tmp_path).generation == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identity": {}}, "'identity': 'config'"),
        ({"identity": 5}, "'identity'"),
        ({"data": {}}, "'data': 'name'"),
        ({"devices": 3}, "'devices'"),
        ({"versions": {}}, "'versions': 'ouroboros_jax'"),
        ({"chain_blocks": None}, "'chain_blocks'"),
        ({"timings": None}, "'timings'"),
        ({"fork": {}}, "'fork': 'source'"),
        ({"fork": 3}, "'fork'"),
    ],
)
def test_manifests_of_another_shape(change, field, compiled_once, tmp_path):
    oj.run(config_of(), tmp_path, progress=False, figures=False)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for call in (lambda: oj.open_run(tmp_path), lambda: oj.run(config_of(), tmp_path)):
        with pytest.raises(UserError, match=f"is no run's: it does not say {field} as"):
            call()


def of_data(name, **overrides):
    return new_config(learner="gaussian", regime="fresh", data=name, **{**LEAN, **overrides})


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (np.zeros((0, 2)), "is empty"),
        (np.array([[1.0, np.nan], [1, 2], [3, 4]]), "non-finite value"),
        (np.array([["a"], ["b"]]), "expected real numbers"),
        (np.zeros((3, 2, 2)), "expected .points"),
        (np.zeros((4, 1)), "12 real points were asked for, but"),
    ],
)
def test_data_files_that_will_not_do(rows, sentence, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    config = of_data(str(tmp_path / "rows.npy"))
    refuse(config, tmp_path / "run", sentence, tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_data_file_that_goes_missing(tmp_path):
    np.save(tmp_path / "rows.npy", np.ones((20, 1)))
    config = of_data(str(tmp_path / "rows.npy"))
    (tmp_path / "rows.npy").unlink()
    refuse(config, tmp_path / "run", "is not there", tmp_path)
    (tmp_path / "rows.csv").write_text("1,2\n3\n")
    refuse(of_data(str(tmp_path / "rows.csv")), tmp_path / "run", "row", tmp_path)


def test_more_fresh_real_points_than_there_are(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((20, 1)))
    overrides = {"num_samples": "linear(10, 20)", "regime.real_fraction": 0.9}
    config = of_data(str(tmp_path / "rows.npy"), **overrides)
    refuse(config, tmp_path / "run", "fresh real points a generation", tmp_path)


def test_statistics_of_a_regime_that_keeps_points():
    with pytest.raises(UserError, match="goes on with some of the points"):
        oj.run(config_of(**{"regime.name": "accumulate_subsample", "learner.draw": "sufficient"}))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: oj.open_run(None), "workdir=None: expected the path of a folder"),
        (lambda: oj.run(config_of(), workdir=3), "workdir=3: expected the path of a folder"),
        (lambda: oj.run(None), "config=None: expected a config, as load_config returns it"),
        (lambda: oj.load_config("gaussian", ["chains"]), "expected a dict from dotted path"),
        (lambda: oj.fork(3, 1), "workdir=3: expected the path of a folder"),
        (lambda: oj.run(config_of(), workdir="a\0b"), "expected the path of a folder"),
        (lambda: oj.run(config_of(), workdir="a" * 300), "cannot be opened: File name too long"),
        (lambda: oj.difference(None, None, "variance"), "workdir=None: expected the path"),
    ],
)
def test_arguments_of_another_kind(call, sentence):
    with pytest.raises(UserError, match=sentence):
        call()


def test_a_config_whose_sweep_has_the_setting():
    swept = {"sweep": {"regime.name": ["replace", "fresh"], "seed": 2}}
    with pytest.raises(UserError, match=r"regime.name='fresh' decides nothing, since regime.name"):
        apply(config_of(**swept), {"regime.name": "fresh"})
    assert apply(config_of(**swept), {"seed": 7}).seed == 7  # where its seeds begin


def test_a_config_without_a_seed(compiled_once):
    config = config_of().unlock()
    del config["seed"]
    assert oj.run(config, progress=False).manifest["seed"] == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def get_config(:", "line 1: SyntaxError"),
        ("def get_config(argument=''):\n    zero = 0\n    return 1 / zero", "line 3: ZeroDivision"),
        ("import nowhere_to_be_found", "line 1: ModuleNotFoundError"),
        ("def get_config(one, two): pass", "TypeError"),
    ],
)
def test_config_files_that_fail(text, sentence, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=f"mine.py cannot be run: {sentence}"):
        oj.load_config(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("learner.name", "learner.name='os:getpid' gave a int, expected a Learner"),
        ("regime.name", "regime.name='os:getpid' gave a int, expected a Regime"),
        ("data.name", "data.name='os:getpid' gave a int, expected a RealData"),
        ("selector.score", "selector.score='os:getpid' failed: TypeError"),
    ],
)
def test_functions_that_are_no_factories(name, sentence, tmp_path):
    selector = "curate" if name == "selector.score" else "none"
    config = new_config(learner="gaussian", regime="replace", data="normal", selector=selector)
    config = apply(config, {name: "os:getpid"})
    refuse(config, tmp_path / "run", sentence, tmp_path)


def test_counts_beyond_what_sums_hold():
    with pytest.raises(UserError, match=r"data.rate=1e.08 on up to 100 points is counted to 1e.10"):
        new = {"num_samples": 100, "sweep": {}, "data.rate": 1e8}
        oj.run(oj.load_config("poisson", new), progress=False)


def test_settings_that_no_regime_reads_are_named():
    def said(**overrides):
        return unread(flatten(config_of(**{k.replace("__", "."): v for k, v in overrides.items()})))

    assert said() == ""
    assert said(regime__name="window", regime__window=5) == ""
    assert said(regime__window=5) == "regime.window is not read under regime.name='replace'"
    both = said(regime__window=5, regime__real_fraction=0.5)
    assert both == (
        "regime.real_fraction and regime.window are not read under regime.name='replace'"
    )
    swept = {"regime.name": ["replace", "fresh"], "regime.real_fraction": [0.1, 0.2]}
    assert said(sweep=swept) == ""
    assert "not read" in said(sweep={"regime.real_fraction": [0.1, 0.2]})


def test_words():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([]) == "none"
    assert nearest("gmn", ["gmm", "gaussian"]) == "; did you mean 'gmm'?"
    assert nearest("xyz", ["gmm"]) == ""
    assert issubclass(UserError, ValueError)

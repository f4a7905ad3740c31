"""Runs from end to end: in Python, on disk, from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import ouroboros_jax as oj
from ouroboros_jax.cli import main
from ouroboros_jax.errors import UserError

ROOT = Path(oj.__file__).parents[1]
SETTINGS = {"chains": 3, "generations": 4, "num_samples": 12, "chain_block": 4}
LEAN = SETTINGS | {"data.num_test": 0, "metrics": ("variance", "mean"), "learner.draw": "samples"}


def config_of(**overrides):
    return oj.load_config("gaussian", LEAN | overrides)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "run"


@pytest.fixture(scope="module")
def run(folder, compiled_once):
    return oj.run(config_of(), folder, progress=False)


def test_what_a_run_leaves(run, folder):
    """The files of the contract, whole ones only."""
    for name in ("config.json", "run.json", "metrics.nc", "summary.json"):
        assert (folder / name).is_file(), name
    for name in ("generations", "resume", "figures"):
        assert any((folder / name).iterdir()), name
    assert not [path for path in folder.rglob("*tmp*")]
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["status"] == "finished"
    assert set(manifest) >= {"identity", "versions", "devices", "data", "seed", "timings"}
    assert set(manifest["identity"]) >= {"config", "data_sha256", "versions"}
    assert manifest["data"]["name"] == "normal"


def test_metrics_open_with_plain_xarray(run, folder):
    with xr.open_dataset(folder / "metrics.nc") as stored:
        stored = stored.load()
    xr.testing.assert_identical(stored, oj.open_run(folder).metrics)
    assert stored.variance.dims == ("chain", "generation")
    assert stored["mean"].dims == ("chain", "generation", "feature")
    assert stored.generation.values.tolist() == [0, 1, 2, 3, 4]
    assert stored.seed.dims == stored.replicate.dims == ("chain",)
    assert stored.replicate.values.tolist() == [0, 1, 2]
    for variable in stored.data_vars.values():
        assert variable.attrs["long_name"] and "units" in variable.attrs
    assert stored.time_to_collapse.dims == ("chain", "threshold")


def test_in_memory_the_same_as_on_disk(run, folder):
    memory = oj.run(config_of(), progress=False)
    assert memory.workdir is None
    opened = oj.open_run(folder)
    xr.testing.assert_equal(memory.metrics, opened.metrics)
    for g in range(5):
        for name, array in opened.params(g).items():
            assert isinstance(array, np.ndarray)
            np.testing.assert_array_equal(array, memory.params(g)[name])
    np.testing.assert_array_equal(memory.sample(2, 1, 5), opened.sample(2, 1, 5))


def test_params_and_samples(run):
    params = run.params(generation=3)
    assert params["mean"].shape == (3, 1)
    one = run.params(generation=3, chain=2)
    np.testing.assert_array_equal(one["mean"], params["mean"][2])
    np.testing.assert_array_equal(run.params(np.int64(3), np.int32(2))["mean"], one["mean"])
    points = run.sample(generation=3, chain=2, num_samples=4000, seed=5)
    assert points.shape == (4000, 1)
    error = np.exp(one["log_scale"]) / np.sqrt(4000)
    assert abs(points.mean(0) - one["mean"]) < 4.5 * error
    np.testing.assert_array_equal(points, run.sample(3, 2, 4000, seed=5))
    assert not np.array_equal(points, run.sample(3, 2, 4000, seed=6))
    np.testing.assert_allclose(
        run.metrics.variance.values[:, 3], np.exp(2 * params["log_scale"][:, 0]), rtol=1e-5
    )


def test_samples_are_biased_as_the_runs_own(compiled_once):
    """Generation g's model is sampled as generation g + 1 saw it."""
    run = oj.run(config_of(**{"sampler.bias": (1.0, 1.0, 0.25)}), progress=False)
    near, far = (
        run.sample(g, 0, 4000).std() / np.exp(run.params(g, 0)["log_scale"]) for g in (0, 1)
    )
    assert abs(near - 1) < 0.06 and abs(far - 0.5) < 0.03


def test_64_bit_is_the_runs_alone():
    import jax.numpy as jnp

    run = oj.run(config_of(x64=True, generations=2), progress=False)
    assert run.params(2)["mean"].dtype == np.float64
    assert run.data(2, 0).dtype == np.float64
    assert jnp.zeros(1).dtype == jnp.float32
    np.testing.assert_allclose(run.data(2, 0).mean(0), run.params(2, 0)["mean"], rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_samples": 10**12}, "num_samples=1000000000000: expected 1 to"),
        ({"seed": 2**32}, "seed=4294967296: expected 0 to 4294967295"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"generation": np.float64(3)}, r"generation=3\.0: expected a whole number"),
    ],
)
def test_samples_that_cannot_be_drawn(settings, sentence, run):
    with pytest.raises(UserError, match=sentence):
        run.sample(**{"generation": 1, "chain": 0} | settings)


def test_more_generations_go_on_where_it_stopped(run, compiled_once, tmp_path):
    oj.run(config_of(), tmp_path / "run", progress=False, figures=False)
    longer = oj.run(config_of(generations=6), tmp_path / "run", progress=False, figures=False)
    assert longer.generation == 6 and longer.metrics.sizes["generation"] == 7
    np.testing.assert_array_equal(
        longer.metrics.variance.values[:, :5], run.metrics.variance.values
    )
    shorter = oj.run(config_of(generations=3), tmp_path / "run", progress=False, figures=False)
    assert shorter.generation == 6, "what is there is kept"


def test_progress_says_what_will_run_and_where_it_is(capsys, compiled_once, tmp_path):
    oj.run(config_of(), tmp_path / "run", figures=False)
    lines = capsys.readouterr().err.splitlines()
    for word in ("gaussian", "replace", "3 chains", "4 generations", "normal", "run"):
        assert word in lines[0]
    assert any("compiling" in line for line in lines)
    assert "done in" in lines[-1] and str(tmp_path / "run") in lines[-1]
    oj.run(config_of(), progress=False)
    assert capsys.readouterr().err == ""


# The command line

ARGV = ["--config=gaussian", *(f"--config.{k}={v}" for k, v in LEAN.items())]


def test_in_a_process_of_its_own(tmp_path):
    """Runs to the end; one more time there is nothing to do; samples are written."""
    workdir = tmp_path / "out" / "run"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), *ARGV, f"--workdir={workdir}"],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "done in" in done.stderr.splitlines()[-1]
    assert oj.open_run(workdir).manifest["status"] == "finished"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_again_and_sampled(run, folder, tmp_path, capsys, compiled_once):
    assert main([*ARGV, f"--workdir={folder}"]) == 0
    assert "finished" in capsys.readouterr().err
    out = tmp_path / "deep" / "samples.npz"
    verb = ["sample", f"--workdir={folder}", "--generation=2", "--chain=1", "--num_samples=6"]
    assert main([*verb, f"--out={out}"]) == 0
    with np.load(out) as stored:
        np.testing.assert_array_equal(stored["data"], run.sample(2, 1, 6))
    assert main([*verb, f"--out={tmp_path / 'samples.csv'}"]) == 0
    assert len((tmp_path / "samples.csv").read_text().split()) == 6


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--config.learner.estimater=mle"], "did you mean 'learner.estimator'"),
        (["--config.seed=1"], "seed: 0 -> 1"),
        (["--config.num_samples=1"], "num_samples=1"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_writes_nothing(words, sentence, folder, run, capsys):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.name != ".lock"}
    assert main([*ARGV, *words, f"--workdir={folder}"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("error: ") and sentence in said[0]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.name != ".lock"} == before


@pytest.mark.parametrize("words", [["--generation=9"], ["--generation=2", "--chain=7"]])
def test_a_sample_of_what_is_not_there(words, run, folder, tmp_path, capsys):
    out = tmp_path / "samples.npz"
    assert main(["sample", f"--workdir={folder}", *words, f"--out={out}"]) == 2
    assert "is not there: expected 0 to" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_opens_without_the_file_it_was_trained_on(tmp_path, monkeypatch):
    """From another folder, or once the file is gone; only its points need it."""
    rows = np.random.default_rng(0).standard_normal((40, 2))
    (tmp_path / "here").mkdir()
    np.savetxt(tmp_path / "here" / "rows.csv", rows, delimiter=",")
    monkeypatch.chdir(tmp_path / "here")
    config = oj.load_config(
        "gmm",
        {"data.name": "rows.csv", "num_samples": 20, "chains": 2, "generations": 1},
    )
    oj.run(config, "run", progress=False, figures=False)
    monkeypatch.chdir(tmp_path)
    opened = oj.open_run("here/run")
    assert opened.params(1, 0)["means"].shape == (2, 2)
    assert opened.metrics.lower_bound.dims == ("chain", "generation")
    with pytest.raises(UserError, match=r"rows\.csv does not exist|rows\.csv' is not there"):
        opened.data(0, 0)

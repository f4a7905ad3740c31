"""metrics.nc: padding, names, collapse times, and what other programs read back."""

import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.disk.dataset import assemble, write
from ouroboros_jax.sweep import expand


def study(learner="gaussian", data="normal", regime="fresh", **overrides):
    config = new_config(learner=learner, regime=regime, data=data, **overrides)
    return expand(config), flatten(config)


def mixture_part(group, done, rng, features=1):
    chains, k = group.num_chains, group.point["learner.components"]
    inner = (k,) if features == 1 else (k, features)
    return {
        "mean": rng.normal(size=(done, chains, features)).astype(np.float32),
        "variance": rng.chisquare(5, (done, chains)).astype(np.float32),
        "component_mean": rng.normal(size=(done, chains, *inner)).astype(np.float32),
        "weights": np.full((done, chains, k), 1 / k, np.float32),
        "em_steps": np.full((done, chains), 3, np.int32),
        "converged": np.ones((done, chains), bool),
        "status": np.zeros((done, chains), np.int8),
    }


def test_ragged_groups_are_padded_with_nan():
    sweep = {"learner.components": [2, 3], "regime.real_fraction": [0.1, 0.5], "seed": 2}
    groups, point = study("gmm", "mixture", chains=2, generations=4, sweep=sweep)
    rng = np.random.default_rng(0)
    parts = [mixture_part(groups[0], 5, rng), mixture_part(groups[1], 3, rng)]
    found = assemble(groups, parts, point, {"title": "ragged"})
    assert found.sizes == {
        **{"chain": 16, "generation": 5, "feature": 1},
        **{"component": 3, "threshold": 3},
    }
    for name, value in found.data_vars.items():
        assert value.dims[0] == "chain", name
        assert value.dtype in (np.float32, np.int8), name
    two, three = found.isel(chain=slice(8)), found.isel(chain=slice(8, None))
    np.testing.assert_array_equal(
        two["component_mean"].values[..., :2], parts[0]["component_mean"].swapaxes(0, 1)
    )
    assert np.isnan(two["component_mean"].values[..., 2]).all()
    np.testing.assert_array_equal(
        three["weights"].values[:, :3], parts[1]["weights"].swapaxes(0, 1)
    )
    assert np.isnan(three["variance"].values[:, 3:]).all()
    assert np.isnan(three["em_steps"].values[:, 3:]).all() and found["em_steps"].dtype == np.float32
    assert (three["status"].values[:, 3:] == -1).all() and (two["status"].values == 0).all()
    assert found["status"].attrs["flag_meanings"] == "ok degenerate frozen"
    assert found["status"].attrs["flag_values"].tolist() == [0, 1, 2]
    assert found["group"].values.tolist() == ["g000"] * 8 + ["g001"] * 8
    assert found["learner.components"].values.tolist() == [2] * 8 + [3] * 8
    assert found["regime.real_fraction"].values.tolist() == ([0.1] * 4 + [0.5] * 4) * 2
    assert found["seed"].values.tolist() == [0, 0, 1, 1] * 4
    assert found["replicate"].values.tolist() == [0, 1] * 8


def test_one_finished_group_keeps_its_types():
    groups, point = study("gmm", "mixture", chains=3, generations=2)
    part = mixture_part(groups[0], 3, np.random.default_rng(0))
    part["variance"] = part["variance"].astype(np.float64)
    found = assemble(groups, [part], point, {})
    assert "group" not in found.coords
    types = {name: value.dtype for name, value in found.data_vars.items()}
    assert types["variance"] == np.float64 and types["mean"] == np.float32
    assert types["em_steps"] == np.int32 and types["converged"] == types["status"] == np.int8


def test_components_of_one_and_of_two_features_share_a_variable():
    sweep = {"data.num_features": [1, 2]}
    groups, point = study("gmm", "normal", chains=2, generations=1, sweep=sweep)
    rng = np.random.default_rng(0)
    parts = [mixture_part(g, 2, rng, f) for g, f in zip(groups, (1, 2), strict=True)]
    found = assemble(groups, parts, point, {})["component_mean"]
    assert found.dims == ("chain", "generation", "component", "feature")
    assert found.shape == (4, 2, 2, 2)
    np.testing.assert_array_equal(
        found.values[:2, :, :, 0], parts[0]["component_mean"].swapaxes(0, 1)
    )
    assert np.isnan(found.values[:2, :, :, 1]).all() and np.isfinite(found.values[2:]).all()


def test_a_user_s_metrics_get_dims_of_their_own():
    groups, point = study(chains=2, generations=1)
    part = {
        "gradient": np.zeros((2, 2, 3, 4), np.float32),
        "variance": np.ones((2, 2, 5)),
        "feature": np.ones((2, 2), np.float16),
        "a/b": np.ones((2, 2)),
    }
    found = assemble(groups, [part], point, {})
    assert found["gradient"].dims == ("chain", "generation", "gradient_0", "gradient_1")
    assert found["variance"].dims == ("chain", "generation", "variance_0")
    assert found["feature_metric"].dtype == np.float32 and "a_b" in found
    assert "time_to_collapse" not in found


def test_a_run_that_has_not_begun_has_coordinates():
    groups, point = study(chains=2, generations=3, sweep={"num_samples": [10, 20]})
    found = assemble(groups, [{}], point, {})
    assert found["num_samples"].values.tolist() == [10, 10, 20, 20]
    assert found["generation"].values.tolist() == [0, 1, 2, 3]
    empty = {"status": np.zeros((0, 4), np.int8)}
    assert (assemble(groups, [empty], point, {})["status"].values == -1).all()


def test_time_to_collapse_is_censored():
    thresholds = {"collapse.thresholds": (0.5, 0.1)}
    groups, point = study(chains=4, generations=3, **thresholds)
    variance = np.array(
        [[2, 1.5, 0.9, 0.1], [2, 2, 2, 2], [2, 0.1, 3, np.nan], [np.nan, 1, 1, 1]], np.float32
    )
    found = assemble(groups, [{"variance": variance.T}], point, {})["time_to_collapse"]
    assert found.dims == ("chain", "threshold")
    assert found["threshold"].values.tolist() == [0.5, 0.1]
    nan = np.nan
    np.testing.assert_array_equal(found.values, [[2, 3], [nan, nan], [1, 1], [nan, nan]])
    half = found.sel(threshold=0.5)
    assert half.attrs["metric"] == "variance" and half.sizes == {"chain": 4}


@pytest.mark.parametrize("metric", ["log_det_covariance", "test_log_likelihood"])
def test_shares_of_logarithms_are_shares_of_their_exponentials(metric):
    groups, point = study(chains=2, generations=3, **{"collapse.metric": metric})
    shares = np.array([[1, 0.6, 0.4, 0.0], [1, 0.9, 0.2, 0.05]])
    with np.errstate(divide="ignore"):
        values = np.log(shares) - 700  # far below what a float32 of the share itself could hold
    found = assemble(groups, [{metric: values.T}], point, {})["time_to_collapse"]
    np.testing.assert_array_equal(found.values, [[2, 3, 3], [2, 3, np.nan]])


def test_what_is_watched_may_be_missing():
    watched = {"collapse.metric": "separation"}
    groups, point = study("gmm", "mixture", chains=2, generations=1, **watched)
    found = assemble(groups, [{"variance": np.ones((2, 2))}], point, {})
    assert "time_to_collapse" not in found


def test_it_opens_with_plain_xarray(tmp_path):
    sweep = {
        "regime.name": ["replace", "window"],
        "num_samples": [100, "linear(100, 1)"],
        "learner.components": [2, 3],
        "regime.kept": [True],
    }
    groups, point = study("gmm", "mixture", chains=2, generations=4, sweep=sweep)
    rng = np.random.default_rng(0)
    parts = [mixture_part(group, 1 + i % 5, rng) for i, group in enumerate(groups)]
    attrs = {"title": "a run", "config": {"seed": 0}, "is_finished": False, "nothing": None}
    made = assemble(groups, parts, point, attrs)
    path = tmp_path / "metrics.nc"
    write(made, path)
    write(made, path)  # over itself
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.nc"]
    with xr.open_dataset(path) as found:
        xr.testing.assert_equal(found.load(), made)
        assert found.attrs["config"] == '{"seed": 0}' and found.attrs["is_finished"] == "false"
        for name in (*found.variables,):
            assert found[name].attrs["long_name"] and found[name].attrs["units"], name
        assert found["status"].dtype == np.int8 and found["regime.kept"].dtype == bool
        chosen = found.where(found["regime.name"] == "window", drop=True)
        assert chosen.sizes["chain"] == 8
        assert set(found.groupby("num_samples").groups) == {"100", "linear(100, 1)"}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    groups, point = study(chains=2, generations=1)
    made = assemble(groups, [{"variance": np.ones((2, 2))}], point, {})
    path = tmp_path / "metrics.nc"
    write(made, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write(made.assign_attrs(bad=object()), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["metrics.nc"]


def test_a_thousand_chains_are_written_at_once(tmp_path):
    groups, point = study(chains=1000, generations=200)
    rng = np.random.default_rng(0)
    names = ("variance", "log_det_covariance", "l2_squared", "w2_squared", "tail_mass", "x", "y")
    part = {name: rng.normal(size=(201, 1000)).astype(np.float32) for name in names}
    part["status"] = np.zeros((201, 1000), np.int8)
    write(assemble(groups, [part], point, {}), tmp_path / "warm.nc")
    start = time.perf_counter()
    write(assemble(groups, [part], point, {}), tmp_path / "metrics.nc")
    assert time.perf_counter() - start < 2.0, "0.1 s on an idle machine"
    raw = sum(value.nbytes for value in part.values())
    assert (tmp_path / "metrics.nc").stat().st_size < raw


def test_importing_waits_for_xarray():
    code = (
        "import sys, ouroboros_jax.disk.dataset; "
        "import ouroboros_jax.analysis.summary, ouroboros_jax.analysis.compare; "
        "print([m for m in ('xarray', 'pandas', 'jax', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

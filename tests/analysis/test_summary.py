"""summary.json: numbers of a simulated law, statistics by brute force, and a run's odd corners."""

import json
import time

import numpy as np
import pytest
from scipy import stats

from ouroboros_jax.analysis.cells import find_cells, point_of
from ouroboros_jax.analysis.headline import headline
from ouroboros_jax.analysis.summary import MAX_POINTS, summarise
from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.disk.dataset import assemble
from ouroboros_jax.sweep import expand

pytestmark = pytest.mark.usefixtures("quick_compilation")


def simulate(group, rng, done):
    """The `replace` loop of a one-dimensional Gaussian: variances are products of chi-squares."""
    n = group.columns["num_samples"].at(np.arange(done)).T
    n = np.broadcast_to(n, (done, group.num_chains))
    divisor = n - 1 if group.point["learner.estimator"] == "unbiased" else n
    variance = np.cumprod(rng.chisquare(n - 1) / divisor, 0)
    before = np.concatenate([np.ones_like(variance[:1]), variance[:-1]])
    mean = np.cumsum(np.sqrt(before / n) * rng.normal(size=n.shape), 0)
    return {
        "mean": mean[..., None],
        "variance": variance,
        "log_det_covariance": np.log(variance),
        "mean_squared_error": mean**2,
        "status": np.zeros(n.shape, np.int8),
    }


def study(learner="gaussian", data="normal", regime="replace", **overrides):
    config = new_config(learner=learner, regime=regime, data=data, **overrides)
    return expand(config), flatten(config)


def simulated(done=None, seed=0, **overrides):
    groups, point = study(**overrides)
    rng = np.random.default_rng(seed)
    parts = [simulate(group, rng, done or point["generations"] + 1) for group in groups]
    return assemble(groups, parts, point, {}), groups


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
def test_a_gaussian_run_agrees_with_its_law(estimator):
    overrides = {"learner.estimator": estimator, "num_samples": 50, "chains": 4000}
    summary = summarise(*simulated(generations=20, **overrides))
    (point,) = summary["points"]
    assert point["num_chains"] == 4000 and point["generation"] == 20 and point["settings"] == {}
    variance = point["metrics"]["variance"]
    expected = (1 - 1 / 50) ** 21 if estimator == "mle" else 1.0
    assert variance["law"]["predicted"] == pytest.approx(expected)
    assert variance["low"] < variance["mean"] < variance["high"]
    assert variance["original"] == pytest.approx(1, abs=0.1)
    for name in ("variance", "log_det_covariance", "mean_squared_error"):
        law = point["metrics"][name]["law"]
        assert law["valid"] and abs(law["z"]) < 4, name
        assert law["label"] and law["source"]
    assert "law" not in point["metrics"]["mean"]
    json.dumps(summary, allow_nan=False)


def test_a_wrong_run_is_found_out():
    overrides = {"generations": 20, "num_samples": 50, "chains": 4000}
    dataset, _ = simulated(**overrides, **{"learner.estimator": "unbiased"})
    summary = summarise(dataset, study(**overrides)[0])
    law = summary["points"][0]["metrics"]["variance"]["law"]
    assert law["valid"] and law["z"] > 10


def test_every_point_has_its_own_law_and_seeds_are_its_chains():
    sweep = {"num_samples": [20, 200], "seed": 4, "learner.estimator": ["mle", "unbiased"]}
    dataset, groups = simulated(chains=500, generations=9, sweep=sweep)
    assert len(groups) == 2
    summary = summarise(dataset, groups)
    found = [
        (p["settings"]["num_samples"], p["settings"]["learner.estimator"], p)
        for p in summary["points"]
    ]
    assert sorted((n, e) for n, e, _ in found) == [
        *((20, "mle"), (20, "unbiased"), (200, "mle"), (200, "unbiased"))
    ]
    for n, estimator, p in found:
        assert p["num_chains"] == 2000 and set(p["settings"]) == set(sweep) - {"seed"}
        law = p["metrics"]["variance"]["law"]
        expected = 1.0 if estimator == "unbiased" else (1 - 1 / n) ** 10
        assert law["predicted"] == pytest.approx(expected)
        assert abs(law["z"]) < 4
    assert "4 points" in summary["headline"][0] and "largest |z|" in summary["headline"][1]


def test_numbers_equal_brute_force():
    sweep = {"num_samples": [5, 8, 9], "seed": 7}
    dataset, groups = simulated(chains=3, generations=5, sweep=sweep)
    dataset["variance"][2, 5] = np.nan
    for p, n in zip(summarise(dataset, groups)["points"], (5, 8, 9), strict=True):
        values = dataset["variance"].values[dataset["num_samples"].values == n, 5]
        values = values[~np.isnan(values)]
        entry = p["metrics"]["variance"]
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        got = [entry[name] for name in ("mean", "low", "high", "median")]
        want = [values.mean(), values.mean() - half, values.mean() + half, np.median(values)]
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_schedules_reach_the_laws():
    dataset, groups = simulated(chains=2000, generations=6, num_samples="linear(20, 5)")
    law = summarise(dataset, groups)["points"][0]["metrics"]["variance"]["law"]
    assert law["predicted"] == pytest.approx(np.prod(1 - 1 / (20 + 5 * np.arange(7))))
    assert abs(law["z"]) < 4
    full = point_of(groups[0], 3)
    assert full["data.num_samples"] == 20 and full["num_samples"].at([2]) == [30]


def test_one_chain_has_no_interval():
    summary = summarise(*simulated(chains=1, generations=3, num_samples=50))
    entry = summary["points"][0]["metrics"]["variance"]
    assert entry["low"] is None and entry["high"] is None and entry["median"] == entry["mean"]
    assert not entry["law"]["valid"] and "no z" in summary["headline"][0]


def test_an_unfinished_run_is_summarised_where_it_stands():
    dataset, groups = simulated(done=4, chains=50, generations=20, num_samples=50)
    (found,) = summarise(dataset, groups)["points"]
    assert found["generation"] == 3
    law = found["metrics"]["variance"]["law"]
    assert law["predicted"] == pytest.approx((1 - 1 / 50) ** 4)
    groups, point = study(chains=2, generations=3)
    nothing = [{"status": np.zeros((0, 2), np.int8)}]
    summary = summarise(assemble(groups, nothing, point, {}), groups)
    assert summary["headline"] == [] and summary["points"][0]["generation"] is None


def test_collapse_and_status_are_counted():
    groups, point = study(chains=4, generations=2, **{"collapse.thresholds": (0.5, 0.1)})
    variance = np.array([[1, 0.4, 0.05], [1, 0.7, 0.3], [1, 1, 1], [np.nan] * 3]).T
    status = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 2, 2]], np.int8).T
    dataset = assemble(groups, [{"variance": variance, "status": status}], point, {})
    summary = summarise(dataset, groups)
    (found,) = summary["points"]
    assert found["time_to_collapse"] == {
        "0.5": {"median": 2, "collapsed": pytest.approx(2 / 3)},
        "0.1": {"median": None, "collapsed": pytest.approx(1 / 3)},
    }
    assert found["status"] == {"ok": 2, "degenerate": 1, "frozen": 1}
    assert summary["headline"][-1] == "1 degenerate and 1 frozen of 4 chains at the end"


def test_infinities_do_not_reach_json():
    groups, point = study(chains=3, generations=1, **{"learner.draw": "samples"})
    values = np.array([[0.0, 0, 0], [-1, -np.inf, -2]])
    dataset = assemble(groups, [{"log_det_covariance": values}], point, {})
    summary = summarise(dataset, groups)
    json.dumps(summary, allow_nan=False)
    entry = summary["points"][0]["metrics"]["log_det_covariance"]
    assert entry["mean"] is None and entry["infinite"] == 1 and entry["median"] == -2
    assert not entry["law"]["valid"] and "not finite" in headline(summary)[0]


def test_a_mixture_run_carries_the_older_file_s_fields():
    sweep = {"num_samples": [100, 1000]}
    groups, point = study("gmm", "mixture", chains=2, generations=2, sweep=sweep)
    means = np.array([[[-2.0, 2.0], [2.0, -2.0]]]).repeat(3, 0)  # chain 1 names them the other way
    parts = [
        {
            "component_mean": means,
            "component_std": np.abs(means) / np.arange(1, 4)[:, None, None],
            "variance": np.array([[5.0, 5], [4, 4], [2, 3]]) * scale,
            "l2_squared": np.array([[0, 0], [0.25, 0.75], [1, 1]]),
            "status": np.zeros((3, 2), np.int8),
        }
        for scale in (1, 2)
    ]
    dataset = assemble(groups, parts, point, {})
    summary = summarise(dataset, groups)
    assert summary["means"] == {"100": [[-2, 2]] * 3, "1000": [[-2, 2]] * 3}
    assert summary["stds"]["100"][1] == [1, 1]
    assert summary["l2_distances"]["1000"] == [0, 0.5, 1]
    assert summary["original_variance"] == {"100": 5, "1000": 10}
    assert summary["final_variance"] == {"100": 2.5, "1000": 5}
    assert summary["variance_reduction_percent"] == {"100": 50, "1000": 50}
    assert "means" not in summarise(*simulated(chains=2, generations=1))


def test_large_grids_are_quick():
    sweep = {"num_samples": list(range(10, 2510)), "seed": 16}
    dataset, groups = simulated(generations=3, sweep=sweep, sweep_limit=10**6)
    assert dataset.sizes["chain"] == 40000
    start = time.perf_counter()
    summary = summarise(dataset, groups)
    assert time.perf_counter() - start < 20, "2 s on an idle machine"
    assert len(summary["points"]) == MAX_POINTS and summary["points_left_out"] == 500
    assert summary["num_points"] == 2500 and "the first 2,000 of 2,500" in summary["headline"][0]
    assert [len(cell.chains) for cell in find_cells(groups)] == [16] * 2500


def test_the_headline_tells_of_frozen_chains_where_no_metric_is_known():
    groups, point = study(generations=1, chains=3)
    parts = [simulate(groups[0], np.random.default_rng(0), 2)]
    for name in parts[0]:
        parts[0][name] = parts[0][name] * np.nan if name != "status" else parts[0][name] + 2
    summary = summarise(assemble(groups, parts, point, {}), groups)
    assert headline(summary) == ["3 frozen of 3 chains at the end"]


def test_the_headline_reads_well():
    summary = summarise(*simulated(chains=1000, generations=50, num_samples=100))
    for line in summary["headline"]:
        assert "  " not in line and "nan" not in line and "None" not in line
    first = summary["headline"][0]
    assert (
        first.startswith("variance 0.") and "of generation 0's; law (1 - 1/n)^(g+1): 0.5" in first
    )
    assert len(summary["headline"]) == 3

"""`run.data` is what a generation was fitted to: fitting it again gives the stored parameters."""

import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax.config import new_config
from ouroboros_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")

LAST, N = 4, 9
BASE = {
    "chains": 2,
    "chain_block": 2,
    "generations": LAST,
    "num_samples": N,
    "data.num_samples": 7,
    "data.num_test": 0,
    "metrics": ("variance",),
}
REGIMES = {
    "replace": {"regime": "replace"},
    "accumulate": {"regime": "accumulate"},
    "accumulate_subsample": {"regime": "accumulate_subsample"},
    "window": {"regime": "window", "regime.window": 2},
    "kept window": {"regime": "window", "regime.window": 2, "regime.kept": True},
    "fresh": {"regime": "fresh", "regime.real_fraction": 0.4},
    "fixed_real": {"regime": "fixed_real"},
    "weighted": {"regime": "weighted", "regime.real_fraction": 0.4, "regime.real_weight": 0.7},
}
COUNTS = {  # of generations 0 to LAST
    "accumulate": [7, 16, 25, 34, 43],
    "kept window": [7, 16, 18, 18, 18],
    "fixed_real": [7, 16, 16, 16, 16],
}
CASES = [(regime, "samples") for regime in REGIMES] + [
    (regime, "sufficient") for regime in ("accumulate", "window", "weighted")
]


def run_of(regime, draw, workdir=None, **overrides):
    settings = BASE | REGIMES[regime] | {"learner.draw": draw} | overrides
    name = settings.pop("regime")
    config = new_config(learner="gaussian", regime=name, data="normal", **settings)
    return oj.run(config, workdir, progress=False, figures=False)


def fitted(points, regime, generation, ddof):
    """Mean and variance of rows, real ones first where a regime weights them apart."""
    if regime != "weighted" or generation == 0:
        return points.mean(0), points.var(0, ddof=ddof)
    real, drawn = points[:4], points[4:]  # .4 x 9 rounds to 4
    mean = 0.7 * real.mean(0) + 0.3 * drawn.mean(0)
    return mean, 0.7 * real.var(0, ddof=ddof) + 0.3 * drawn.var(0, ddof=ddof)


@pytest.mark.parametrize(("regime", "draw"), CASES)
def test_fitting_the_data_gives_the_parameters(regime, draw, compiled_once):
    estimator = "unbiased" if regime in ("fresh", "weighted") else "mle"
    run = run_of(regime, draw, **{"learner.estimator": estimator})
    for generation in (0, 1, LAST):
        points = run.data(generation, 1)
        assert points.shape == (COUNTS.get(regime, [7] + [N] * LAST)[generation], 1)
        assert len(np.unique(points)) == len(points)
        mean, variance = fitted(np.float64(points), regime, generation, estimator == "unbiased")
        params = run.params(generation, 1)
        np.testing.assert_allclose(params["mean"], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(2 * params["log_scale"], np.log(variance), atol=1e-5)
        np.testing.assert_array_equal(run.data(generation, 1), points, "the same when asked again")
    assert not np.array_equal(run.data(LAST, 0), run.data(LAST, 1))


def test_from_disk_the_same_as_from_memory(tmp_path, compiled_once):
    memory = run_of("accumulate_subsample", "samples")
    disk = run_of("accumulate_subsample", "samples", tmp_path / "run")
    opened = oj.open_run(tmp_path / "run")
    for generation in (0, 3):
        expected = memory.data(generation, 0)
        for run in (disk, opened):
            np.testing.assert_array_equal(run.data(generation, 0), expected)


def test_of_several_features_and_singular(compiled_once):
    """n <= D: points that have the singular statistics."""
    run = run_of(
        "replace", "sufficient", num_samples=3, **{"data.num_features": 3, "data.num_samples": 3}
    )
    points = np.float64(run.data(2, 0))
    params = run.params(2, 0)
    assert points.shape == (3, 3)
    np.testing.assert_allclose(points.mean(0), params["mean"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.log(points.var(0)) / 2, params["log_scale"], atol=1e-4)
    assert np.linalg.matrix_rank(points - points.mean(0), tol=1e-5 * np.ptp(points)) == 2


def test_real_rows_are_rows_of_the_table(compiled_once, tmp_path):
    table = np.random.default_rng(0).random((40, 1))
    np.save(tmp_path / "table.npy", table)
    config = new_config(
        learner="gaussian", regime="fixed_real", data=str(tmp_path / "table.npy"), chains=2,
        generations=2, num_samples=10, metrics=("variance",),
        **{"learner.draw": "samples", "chain_block": 2},
    )  # fmt: skip
    run = oj.run(config, progress=False)
    rows = set(np.float32(table[:, 0]).tolist())
    points = [run.data(g, 0) for g in range(3)]
    assert set(points[0][:, 0].tolist()) <= rows and len(set(points[0][:, 0].tolist())) == 10
    np.testing.assert_array_equal(points[1][:10], points[0])
    np.testing.assert_array_equal(points[2][:10], points[0])
    assert not set(points[2][10:, 0].tolist()) & rows


def test_what_was_thinned_out_is_said(compiled_once):
    run = run_of("replace", "samples", **{"store.every": 3})
    run.data(1, 0), run.data(4, 0)
    with pytest.raises(UserError, match=r"generation=2 .*store\.every"):
        run.data(3, 0)
    run = run_of("accumulate", "samples", **{"store.every": 3})
    with pytest.raises(UserError, match=r"store\.every"):
        run.data(4, 0)

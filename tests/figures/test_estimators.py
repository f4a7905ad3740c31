"""Figures of kernel densities, regressions and weights: what is drawn is what it says it is."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

import ouroboros_jax as oj
from ouroboros_jax import figures
from ouroboros_jax.config import flatten
from ouroboros_jax.disk.dataset import assemble
from ouroboros_jax.figures import densities, golden, regression
from ouroboros_jax.figures.study import as_study
from ouroboros_jax.figures.style import png
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import weighted
from ouroboros_jax.theory.ratios import error_ratio

LAST = 6


def made(name, simulate, params=None, data=None, **overrides):
    """A run of a config whose metrics are `simulate(rng, point, [G, C])`, a dict."""
    overrides = {key.replace("__", "."): value for key, value in overrides.items()}
    config = oj.load_config(name, {"generations": LAST} | overrides)
    groups, rng = expand(config), np.random.default_rng(0)
    parts = []
    for group in groups:
        shape = LAST + 1, group.num_chains
        found = simulate(rng, group, shape)
        parts.append(found | {"status": np.zeros(shape, np.int8)})
    return SimpleNamespace(
        config=config,
        groups=groups,
        points=[group.point for group in groups],
        metrics=assemble(groups, parts, flatten(config), {}),
        manifest={"data": {"name": config.data.name}},
        params=params,
        data=data,
        workdir=None,
        stores=[SimpleNamespace(kept=lambda: range(LAST + 1))] * len(groups),
    )


def draw(run):
    with np.errstate(all="raise", under="ignore"):
        return {name: png(make()) for name, make in figures.figures_of(run).items()}


# Densities


def cloud(num_features, seed=0):
    return np.random.default_rng(seed).standard_normal((40, num_features))


def kernel_run(num_features, kernel="gaussian", **overrides):
    def simulate(rng, group, shape):
        return {
            "variance": 1 + rng.random(shape),
            "test_log_likelihood": -rng.random(shape),
            "mean": rng.random((*shape, num_features)),
        }

    def params(generation, chain):
        points = np.concatenate([cloud(num_features, generation), np.zeros((3, num_features))])
        weights = np.append(np.full(40, 1 / 40), np.zeros(3))
        return {"points": points, "weights": weights, "bandwidth": 0.3}

    return made(
        *("kde", simulate, params, lambda generation, chain: cloud(num_features)),
        chains=2, learner__kernel=kernel, **overrides,
    )  # fmt: skip


@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
def test_densities_are_the_models_own(kernel):
    points, grid = cloud(2), cloud(2, seed=1)
    view = densities.View(points, np.full(40, 1 / 40), 0.5)
    found = densities.density_at(view, kernel, grid, 2)
    peer = np.exp(KernelDensity(bandwidth=0.5, kernel=kernel).fit(points).score_samples(grid))
    np.testing.assert_allclose(found / found.sum(), peer / peer.sum(), atol=1e-12)


def test_a_tophat_from_the_side_has_its_variance():
    view = densities.View(np.zeros((1, 1)), np.ones(1), 1.0)
    x = np.linspace(-3, 3, 2001)[:, None]
    found = densities.density_at(view, "tophat", x, 3)
    variance = (found * x[:, 0] ** 2).sum() / found.sum()
    assert variance == pytest.approx(1 / 5, rel=1e-4)


@pytest.mark.parametrize("num_features", [1, 2, 3])
def test_panels_of_every_dimension(num_features):
    run = kernel_run(num_features, sweep={"regime.name": ["replace", "accumulate"]})
    drawn = draw(run)
    assert {"densities", "variance", "test_log_likelihood"} <= set(drawn)
    figure = densities.density_panels(run)
    assert len(figure.axes) % 2 == 0
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles[0] == "generation 0" and f"generation {LAST}" in titles


def test_one_row_and_a_flat_kernel():
    run = kernel_run(2, kernel="tophat", sweep={})
    axes = densities.density_panels(run).axes
    assert axes[0].get_ylabel() == "feature 2" and len(axes) <= 5


def test_the_two_features_that_vary_most_are_drawn():
    points = cloud(4) * np.array([1.0, 5.0, 0.1, 3.0])
    assert densities._drawn_features(points) == [1, 3]
    assert densities._drawn_features(points[:, :1]) == [0]


# The symmetric mixture


def test_survival_of_the_standard_deviation():
    def simulate(rng, group, shape):
        std = np.ones(shape) * 0.6 ** np.arange(LAST + 1)[:, None]
        return {"std": std, "variance": 1 + std}

    run = made(
        *("gmm", simulate), chains=40, num_samples=10, sweep={}, data__stds=2.0,
        learner__name="symmetric_gmm", collapse__thresholds=(0.5, 0.1),
    )  # fmt: skip
    assert {"std", "std_survival"} <= set(draw(run))
    ax = densities.std_survival(run).axes[0]
    share = ax.lines[0].get_ydata()
    # 0.6^g, in units of the truth's 2, is below a half from generation 1 on.
    np.testing.assert_array_equal(share, np.arange(LAST + 1) < 1)
    bounds = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(bounds) == 2


# Regression


def test_ratios_and_their_errors():
    def simulate(rng, group, shape):
        ratio = error_ratio(group.point["regime.name"], np.arange(LAST + 1))
        name = "mean_squared_error"
        if group.point["data.name"] in ("linear", "logistic"):
            name = "excess_error"
        return {name: ratio[:, None] * rng.chisquare(4, shape)}

    run = made("regression:universality", simulate, chains=2000)
    assert set(draw(run)) == {"universality", "mean_squared_error"}
    seen = as_study(run)
    assert len(seen.cells) == 8
    for i, cell in enumerate(seen.cells):
        ratio, error = regression.error_ratio(seen, i)
        expected = error_ratio(cell.point["regime.name"], np.arange(LAST + 1))
        assert ratio[0] == pytest.approx(1) and error[0] == pytest.approx(0, abs=1e-12)
        assert (np.abs(ratio - expected)[1:] < 4.5 * error[1:]).all()
        assert (error[1:] < 0.06 * expected[1:]).all()
    axes = regression.universality(run).axes
    assert [len(ax.lines) for ax in axes] == [6, 6]  # four estimators, the sum, the limit


def test_a_regression_is_drawn_with_its_law():
    def simulate(rng, group, shape):
        return {"excess_error": rng.random(shape), "test_mse": 1 + rng.random(shape)}

    run = made("regression:gerstgrasser", simulate, chains=3)
    assert list(draw(run))[:2] == ["excess_error", "test_mse"]
    assert all(as_study(run).laws(i)["excess_error"] for i in range(6))


# Whole runs


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(
    ("name", "drawn"), [("kde", "densities.png"), ("regression:cancer", "accuracy.png")]
)
def test_a_config_at_toy_size(name, drawn, tmp_path):
    small = {"chains": 2, "generations": 1, "num_samples": 30, "sweep": {}, "data.num_test": 20}
    run = oj.run(oj.load_config(name, small), tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "figures" / drawn).stat().st_size > 10_000
    assert (run.metrics["status"].values == 0).all()
    assert run.summary["headline"]


# Weights


@pytest.mark.parametrize("name", ["golden", "golden:shares"])
def test_errors_by_weight_lie_on_the_law(name):
    def simulate(rng, group, shape):
        fraction = group.columns["regime.real_fraction"].at(np.zeros(1))[:, 0]
        w = group.columns["regime.real_weight"].at(np.zeros(1))[:, 0]
        total = group.point["num_samples"]
        real = np.floor(fraction * total + 0.5)
        limit = weighted.stationary_mean_error(w, real, total - real)
        return {"mean_squared_error": np.broadcast_to(limit, shape).copy()}

    run = made(name, simulate, chains=2, data__std=1.0)
    run.metrics["mean_squared_error"].values[:, 0] = 100.0  # before it has settled
    assert "weights" in dict(golden.golden_figures(as_study(run)))
    ax = golden.error_by_weight(run).axes[0]
    png(ax.figure)
    curves = [line for line in ax.lines if len(line.get_xdata()) == 400]
    assert len(curves) == (3 if "shares" in name else 1)
    points = [c for c in ax.containers]
    assert len(points) >= 6 * len(curves)
    for container in points:
        line = container.lines[0]
        w, error = line.get_xdata()[0], line.get_ydata()[0]
        near = [np.interp(w, c.get_xdata(), c.get_ydata()) for c in curves]
        assert min(abs(error - v) for v in near) < 0.01

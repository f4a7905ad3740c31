"""`plot`: what takes colours and panels, where laws are drawn, and what it refuses."""

import copy

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ouroboros_jax import figures
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures.overlay import DASHES
from ouroboros_jax.schedule import canonical
from ouroboros_jax.theory.laws import laws

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = {"chains": 6, "generations": 8}
FRACTIONS = {"regime.real_fraction": (0.1, 0.5), "num_samples": (20, 100)}


def dashed(ax):
    """Lines drawn in the style of a law."""
    found = []
    for line in ax.get_lines():
        _, pattern = line._unscaled_dash_pattern
        if pattern is not None and tuple(pattern) == DASHES[1]:
            found.append(line)
    return found


def key_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_the_law_is_drawn_where_it_holds(fake_run):
    run = fake_run("gaussian", SMALL)
    figure = figures.plot(run, "variance")
    (line,) = dashed(figure.axes[0])
    expected = laws(run.points[0], np.arange(9))["variance"].expected
    np.testing.assert_allclose(line.get_ydata(), expected)
    text = "\n".join(key_texts(figure))
    assert "law of the mean: $(1 - 1/n)^{g+1}$" in text
    assert "Shumailov et al. 2024" in text
    assert "mean" in key_texts(figure)


@pytest.mark.parametrize(
    ("name", "overrides", "metric"),
    [
        ("gmm", {}, "variance"),
        ("gaussian", {}, "tail_mass"),
        ("gaussian", {"regime.name": "window", "regime.kept": True}, "variance"),
    ],
)
def test_no_law_is_drawn_where_none_holds(name, overrides, metric, fake_run):
    figure = figures.plot(fake_run(name, SMALL | overrides), metric)
    assert not dashed(figure.axes[0])
    assert not any("law" in text for text in key_texts(figure))


def test_the_variance_ratio_is_to_the_truth_where_a_law_may_hold(fake_run):
    run = fake_run("gaussian", SMALL | {"data.std": 3.0})
    (line,) = dashed(figures.plot(run, "variance_ratio").axes[0])
    np.testing.assert_allclose(line.get_ydata(), (1 - 1 / 100) ** np.arange(1, 10))
    mixture = figures.Study(fake_run("gmm", SMALL))
    _, (series,) = mixture.series("variance_ratio")
    assert (series.values[:, 0] == 1).all()


def test_the_first_setting_is_a_colour_and_the_second_a_facet(fake_run):
    run = fake_run("gaussian", SMALL | {"regime.name": "fresh", "sweep": FRACTIONS})
    figure = figures.plot(run, "variance")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["n = 20", "n = 100"]
    assert all(len(dashed(ax)) == 2 for ax in figure.axes)
    assert {"real fraction = 0.1", "real fraction = 0.5"} <= set(key_texts(figure))
    turned = figures.plot(run, "variance", facet="regime.real_fraction")
    titles = [ax.get_title(loc="left") for ax in turned.axes]
    assert titles == ["real fraction = 0.1", "real fraction = 0.5"]
    colours = figures.plot(run, "variance", color="num_samples", facet="regime.real_fraction")
    assert {"n = 20", "n = 100"} <= set(key_texts(colours))


def test_cells_of_a_sweep_hold_their_own_chains_and_settings(fake_run):
    run = fake_run("gaussian", SMALL | {"regime.name": "fresh", "sweep": FRACTIONS})
    study = figures.Study(run)
    assert len(study.cells) == 4
    for cell in study.cells:
        here = run.metrics.isel(chain=cell.chains)
        for path in FRACTIONS:
            assert set(here[path].values.tolist()) == {cell.point[path]}
    assert sum(len(cell.chains) for cell in study.cells) == run.metrics.sizes["chain"]


def test_a_zipped_sweep_is_one_factor(fake_run):
    overrides = SMALL | {"regime.name": "fresh", "sweep": FRACTIONS, "sweep_mode": "zip"}
    study = figures.Study(fake_run("gaussian", overrides))
    (factor,) = study.factors
    assert factor.labels == ("real fraction = 0.1, n = 20", "real fraction = 0.5, n = 100")


def test_cells_of_swept_schedules_have_the_schedules(fake_run):
    swept = (100, "linear(100, 10)", (50, 100))
    study = figures.Study(fake_run("gaussian", SMALL | {"sweep": {"num_samples": swept}}))
    assert tuple(canonical(cell.point["num_samples"]) for cell in study.cells) == swept
    assert all("variance" in study.laws(i) for i in range(3))


def test_seeds_are_pooled(fake_run):
    study = figures.Study(fake_run("gaussian", SMALL | {"sweep": {"seed": 4}}))
    assert study.factors == ()
    assert len(study.cells[0].chains) == 24


def test_axes_of_a_metric_become_lines(fake_run):
    run = fake_run("gmm", SMALL)
    figure = figures.plot(run, "component_mean")
    assert len(figure.axes[0].get_lines()) == 2
    assert len(figures.plot(run, "component_mean", facet="component").axes) == 2


def test_it_draws_into_given_axes(fake_run):
    run = fake_run("gaussian", SMALL | {"sweep": {"num_samples": (20, 100)}})
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert figures.plot(run, "variance", ax=left) is figure
    assert figures.survival(run, ax=right) is figure
    assert left.get_lines() and right.get_lines()
    with pytest.raises(UserError, match="leave out ax"):
        figures.plot(run, "variance", ax=left, facet="num_samples")


def test_a_notebook_shows_it(fake_run):
    assert figures.plot(fake_run("gmm", SMALL), "variance")._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "varianc"}, "did you mean 'variance'"),
        ({"metric": "variance", "facet": "num_sample"}, "did you mean 'num_samples'"),
        ({"metric": "variance", "color": "seed"}, "expected num_samples"),
        ({"metric": "variance", "band": (0.9, 0.1)}, "two rising quantiles"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(options, message, fake_run):
    run = fake_run("gaussian", SMALL | {"sweep": {"num_samples": (20, 100)}})
    with pytest.raises(UserError, match=message):
        figures.plot(run, **options)


def test_a_metric_unknown_throughout_is_refused(fake_run):
    with pytest.raises(UserError, match="unknown"):
        figures.plot(fake_run("gmm:iris", SMALL), "tail_mass")


def test_the_survival_bound_is_drawn_where_it_holds(fake_run):
    generations = np.arange(61)
    run = fake_run("gaussian", {"chains": 200, "generations": 60, "num_samples": 20})
    figure = figures.survival(run)
    curves = dashed(figure.axes[0])
    assert len(curves) == 3
    times = run.metrics["time_to_collapse"].values
    for curve, column in zip(curves, times.T, strict=True):
        share = figures.collapse.survival_share(column, generations)
        assert (share <= curve.get_ydata() + 4 * np.sqrt(0.25 / 200)).all()
    biased = fake_run("gaussian", SMALL | {"sampler.bias": 1.1})
    assert not dashed(figures.survival(biased).axes[0])
    watched = copy.copy(run)
    point = run.groups[0].point | {"collapse.metric": "separation"}
    watched.groups = [run.groups[0]._replace(point=point)]
    assert not dashed(figures.survival(watched).axes[0])
    assert not dashed(figures.survival(fake_run("gmm", SMALL)).axes[0])


def test_mean_and_median_have_their_laws_under_replace_alone(fake_run):
    assert len(dashed(figures.typical_path(fake_run("gaussian", SMALL)).axes[0])) == 2
    fresh = fake_run("gaussian", SMALL | {"regime.name": "fresh"})
    assert len(dashed(figures.typical_path(fresh).axes[0])) == 1


def comparison():
    generation = np.arange(4)
    difference = np.outer([1.0, 2.0], generation)
    names = ("difference", "low", "high")
    parts = (difference, difference - 0.5, difference + 0.5)
    variables = {n: (("value", "generation"), p) for n, p in zip(names, parts, strict=True)}
    attrs = {"setting": "num_samples", "metric": "variance", "baseline": 10, "confidence": 0.9}
    return xr.Dataset(variables, {"value": [20, 30], "generation": generation}, attrs)


def test_a_comparison_is_drawn_from_a_dataset_or_a_table():
    figure = figures.compare_figure(comparison())
    lines = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 4]
    np.testing.assert_allclose(lines[1].get_ydata(), [0, 2, 4, 6])
    assert "n" in figure.get_suptitle()
    assert "90% interval" in key_texts(figure)[0]
    table = comparison().to_dataframe().reset_index()
    again = figures.compare_figure(table).axes[0].get_lines()
    np.testing.assert_allclose(again[1].get_ydata(), [0, 2, 4, 6])


def test_a_comparison_of_one_generation_is_drawn():
    assert figures.compare_figure(comparison().isel(generation=[3]))._repr_png_()

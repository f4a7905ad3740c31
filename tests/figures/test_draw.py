"""Every figure of every kind of run is drawn, without a warning, and nothing else changes."""

import copy
import sys

import matplotlib
import numpy as np
import pytest

from ouroboros_jax import figures

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = {"chains": 5, "generations": 3}
SWEEP = {"num_samples": (20, 100)}
RUNS = {
    "gaussian": ("gaussian", SMALL),
    "gaussian_sizes": ("gaussian", SMALL | {"sweep": SWEEP}),
    "gaussian_3d": ("gaussian", SMALL | {"data.num_features": 3}),
    "gmm": ("gmm", SMALL),
    "gmm_2d": ("gmm:shumailov", SMALL),
    "gmm_ragged": ("gmm", SMALL | {"sweep": {"learner.components": (1, 2)}}),
    "iris": ("gmm:iris", SMALL),
    "one_chain": ("gmm", {"chains": 1, "generations": 3}),
    "one_generation": ("gaussian", {"chains": 4, "generations": 0}),
    "one_fit": ("gmm", {"chains": 1, "generations": 0}),
}
ALWAYS = {"evolution", "first_and_last", "variance_ratio", "survival"}
GAUSSIAN = ALWAYS | {"typical_path", "errors", "fitted", "moments", "tail_mass"}
MIXTURE = ALWAYS | {"components", "l2_squared"}
EXPECTED = {
    "gaussian": GAUSSIAN,
    "gaussian_sizes": GAUSSIAN | {"sample_sizes", "sigma_against_n"},
    "gmm": MIXTURE | {"tail_mass"},
    "iris": MIXTURE | {"test_log_likelihood"},
}


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Pixels cost time."""
    monkeypatch.setitem(figures.style.STYLE, "savefig.dpi", 30)


def only(monkeypatch, *names):
    """Leaves the other figures out."""
    every = figures.figures_of

    def chosen(run):
        return {name: make for name, make in every(run).items() if name in names}

    monkeypatch.setattr(figures, "figures_of", chosen)


def draw_all(run):
    with np.errstate(all="raise", under="ignore"):
        return {name: figures.style.png(make()) for name, make in figures.figures_of(run).items()}


@pytest.mark.parametrize("kind", RUNS)
def test_every_figure_of_a_run_is_drawn(kind, fake_run):
    drawn = draw_all(fake_run(*RUNS[kind]))
    assert drawn
    assert all(picture.startswith(b"\x89PNG") for picture in drawn.values())
    if kind in EXPECTED:
        assert set(drawn) == EXPECTED[kind]


def test_every_generation_asked_for_has_a_panel(fake_run):
    asked = tuple(range(9))
    run = fake_run("gmm:shumailov", {"chains": 1, "generations": 8, "figures.generations": asked})
    titles = [ax.get_title(loc="left") for ax in figures.evolution_panels(run).axes]
    assert titles == [f"generation {g}" for g in asked] + [""]


def test_a_grid_of_three_settings_is_drawn(fake_run):
    sweep = {
        "regime.name": ["replace", "accumulate"],
        "data.num_features": [1, 3],
        "num_samples": [10, 32],
        "seed": 3,
    }
    run = fake_run("gaussian:kazdan", {"sweep": sweep, "generations": 4})
    figure = figures.plot(run, "variance")
    assert len(figure.axes) == 4
    assert {"variance_ratio", "log_det_covariance", "sample_sizes"} <= set(figures.figures_of(run))


@pytest.mark.parametrize("name", ["gaussian", "gmm"])
def test_gaps_and_infinities_are_left_out_in_silence(name, fake_run):
    run = copy.copy(fake_run(name, SMALL | {"generations": 6}))
    run.metrics = run.metrics.copy(deep=True)
    for metric, array in run.metrics.data_vars.items():
        if array.dtype.kind == "f" and array.dims[:2] == ("chain", "generation"):
            array.values[1, 2:] = np.nan
            array.values[:, 4] = np.nan
            array.values[0, 5] = {"log_det_covariance": -np.inf}.get(metric, np.inf)
            array.values[2, 3] = 0.0
    draw_all(run)


SPARSE = SMALL | {"generations": 6, "store.metrics_every": 2, "sweep": SWEEP}


@pytest.mark.parametrize("name", ["gaussian", "gmm"])
def test_lines_join_the_generations_whose_metrics_were_recorded(name, fake_run, monkeypatch):
    run = copy.copy(fake_run(name, SPARSE))
    run.metrics = run.metrics.copy(deep=True)
    for array in run.metrics.data_vars.values():
        if array.dtype.kind == "f" and array.dims[:2] == ("chain", "generation"):
            array.values[:, 1::2] = np.nan
    checked = 0
    for figure, make in figures.figures_of(run).items():
        for ax in make().axes:
            for line in ax.get_lines():
                y = np.asarray(line.get_ydata(), float)
                if len(y) > 2 and np.isnan(y).any():
                    shown = ~np.isnan(y)
                    assert (shown[1:] & shown[:-1]).any(), f"{figure} has no line to see"
                checked += len(y) == 4
    assert checked > 10


def test_an_unfinished_run_is_drawn_up_to_where_it_is(fake_run):
    run = copy.copy(fake_run("gmm", SMALL))
    run.metrics = run.metrics.copy(deep=True)
    run.metrics["status"].values[:, 2:] = -1
    assert figures.Study(run).last == 1
    assert "evolution" in draw_all(run)
    run.metrics["status"].values[:] = -1
    assert figures.figures_of(run) == {}


@pytest.mark.parametrize("pdf", [False, True])
def test_files_are_written_in_order_and_nothing_else(pdf, fake_run, tmp_path, monkeypatch):
    only(monkeypatch, "evolution", "l2_squared")
    run = copy.copy(fake_run("gmm", SMALL | {"figures.pdf": pdf}))
    run.workdir = tmp_path
    paths = figures.draw(run)
    kinds = [".png", ".pdf"] if pdf else [".png"]
    assert [p.suffix for p in paths] == kinds * (len(paths) // len(kinds))
    assert [p.stem for p in paths[:: len(kinds)]] == ["evolution", "l2_squared"]
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    again = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in figures.draw(run)] == again


def test_a_figure_that_fails_costs_no_other(fake_run, tmp_path, monkeypatch, caplog):
    run = copy.copy(fake_run("gmm", SMALL))
    run.workdir = tmp_path

    def broken(generation, chain=None):
        raise OSError("the disk is gone")

    monkeypatch.setattr(run, "params", broken, raising=False)
    only(monkeypatch, "evolution", "variance_ratio")
    assert [path.stem for path in figures.draw(run)] == ["variance_ratio"]
    assert "evolution could not be drawn" in caplog.text


def test_a_run_in_memory_has_nowhere_to_draw(fake_run):
    with pytest.raises(ValueError, match="workdir"):
        figures.draw(fake_run("gmm", SMALL))


def test_no_global_state_is_changed(fake_run):
    before = dict(matplotlib.rcParams)
    had_pyplot = "matplotlib.pyplot" in sys.modules
    draw_all(fake_run(*RUNS["gaussian"]))
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot

"""The numbers behind the figures: quantiles, mixtures, labels, chosen generations, names."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ouroboros_jax import figures
from ouroboros_jax.figures import bands, evolution, mixtures, overlay, style, tails
from ouroboros_jax.metrics.names import DERIVED, NAMES, ONCE, name_of
from ouroboros_jax.registry import LEARNERS


def test_quantiles_are_numpys_and_leave_out_what_is_unknown():
    values = np.random.default_rng(0).normal(size=(11, 7))
    levels = (0.05, 0.5, 0.95)
    np.testing.assert_allclose(bands.quantiles(values, levels), np.quantile(values, levels, axis=0))
    values[3:, 2] = np.nan
    values[:, 4] = np.nan
    found = bands.quantiles(values, levels)
    np.testing.assert_allclose(found[:, 2], np.quantile(values[:3, 2], levels))
    assert np.isnan(found[:, 4]).all()
    values[:, 5] = -np.inf
    assert (bands.quantiles(values, levels)[:, 5] == -np.inf).all()


def test_means_leave_out_what_is_unknown():
    values = np.array([[1.0, np.nan, 4.0], [3.0, np.nan, np.nan]])
    np.testing.assert_allclose(bands.means(values), [2, np.nan, 4])
    np.testing.assert_allclose(bands.means(values, log=True), [np.sqrt(3), np.nan, 4])


@pytest.mark.parametrize("chains", [1, 6])
def test_a_band_joins_the_generations_that_were_recorded(chains):
    values = np.arange(1.0, 8)[None] + np.arange(chains)[:, None]
    values[:, 1::2] = np.nan
    values[:, 4] = 0  # recorded, but not to be seen on this axis: a gap
    ax = Figure().subplots()
    x = 10 * np.arange(7)
    middle = bands.draw_band(ax, x, values, "C0", is_log=True)
    assert np.isfinite(middle).tolist() == [True, False, True, False, False, False, True]
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [0, 20, 40, 60])
    np.testing.assert_array_equal(line.get_ydata(), middle[::2])


def test_a_band_of_one_generation_among_many_is_a_point():
    values = np.full((6, 3), np.nan)
    values[:, 1], values[:, 2] = 0, np.arange(1, 7)
    ax = Figure().subplots()
    bands.draw_band(ax, np.arange(3), values, "C0", is_log=True)
    (line,) = ax.get_lines()
    assert line.get_marker() == "o"
    assert len(ax.collections) == 1  # its bar


def test_a_few_of_many_are_evenly_apart():
    assert bands.evenly(4, 6) == [0, 1, 2, 3]
    assert bands.evenly(10, 6) == [0, 2, 4, 5, 7, 9]
    assert bands.evenly(1, 6) == [0]


def test_labels_move_apart_no_further_than_they_must():
    np.testing.assert_allclose(style.apart(np.array([0.1, 0.5]), 0.1), [0.1, 0.5])
    np.testing.assert_allclose(style.apart(np.array([0.5, 0.5]), 0.1), [0.45, 0.55])
    placed = style.apart(np.sort(np.random.default_rng(1).uniform(size=9)), 0.09)
    assert (np.diff(placed) > 0.09 - 1e-9).all()


def test_ticks_of_logarithmic_axes_are_plain():
    shown = [style.power(x, is_plain=True) for x in (0.01, 0.5, 1, 10_000)]
    assert shown == ["0.01", "0.5", "1", "10,000"]
    shown = [style.power(x, is_plain=False) for x in (1, 0.01, 1e5, 2e-7)]
    assert shown == ["$10^{0}$", "$10^{-2}$", "$10^{5}$", r"$2\cdot10^{-7}$"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("(1 - 1/n)^(g+1)", "$(1 - 1/n)^{g+1}$"),
        ("(g+1)/n", "$(g+1)/n$"),
        ("constant (martingale)", "constant (martingale)"),
        ("exact mean, window", "exact mean, window"),
        ("1 - prod_j [1 - 1/(n j^2)]", r"$1 - \Pi_j [1 - 1/(n j^2)]$"),
    ],
)
def test_formulas_are_set_as_mathematics(label, expected):
    assert overlay.formula(label) == expected


def test_every_formula_of_the_laws_can_be_set():
    from matplotlib.mathtext import MathTextParser

    from ouroboros_jax.theory.gaussian_laws import LABELS

    parser = MathTextParser("path")
    for label in LABELS.values():
        parser.parse(overlay.formula(label))


def test_stored_parameters_become_the_mixture_they_stand_for(fake_run):
    run = fake_run("gmm:shumailov", {"chains": 2, "generations": 3})
    params = run.params(2, chain=1)
    found = mixtures.mixture_of(params)
    std = np.exp(params.log_scales)
    np.testing.assert_allclose(np.diagonal(found.covariances, axis1=1, axis2=2), std**2)
    rho = found.covariances[:, 0, 1] / std.prod(1)
    np.testing.assert_allclose(rho, 0.4 / np.sqrt(1 + 0.4**2))
    as_dict = mixtures.mixture_of(params._asdict())
    np.testing.assert_array_equal(as_dict.covariances, found.covariances)
    frozen = params._replace(means=np.full_like(params.means, np.nan))
    assert mixtures.mixture_of(frozen) is None
    assert mixtures.mixture_of({"kernel": np.ones(3)}) is None


def test_densities_integrate_to_one_however_narrow():
    narrow = mixtures.isotropic(np.array([[0.3], [2.0]]), np.array([[1e-4], [1.0]]), (3, 1))
    x = mixtures.grid(narrow, -4, 8)
    np.testing.assert_allclose(np.trapezoid(mixtures.densities(narrow, x).sum(0), x), 1, rtol=2e-3)


def test_ellipses_have_the_covariance_they_show():
    covariance = np.array([[2.0, 0.7], [0.7, 1.0]])
    width, height, angle = mixtures.ellipse(covariance)
    turn = np.radians(angle)
    axis = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-axis[1], axis[0]])
    again = (width / 2) ** 2 * np.outer(axis, axis) + (height / 2) ** 2 * np.outer(across, across)
    np.testing.assert_allclose(again, covariance)


def test_percentiles_of_absolute_values():
    mean, std = np.array([0.0, 2.0, -5.0, 1.0, np.nan]), np.array([1.0, 1.0, 0.5, 0.0, 1.0])
    (found,) = tails.folded_percentiles(mean, std, [0.95])
    np.testing.assert_allclose(found[0], 1.959964, rtol=1e-5)
    np.testing.assert_allclose(found[2], 5 + 0.5 * 1.644854, rtol=1e-5)
    np.testing.assert_allclose(found[3], 1.0)
    assert np.isnan(found[4])
    draws = np.abs(np.random.default_rng(0).normal(2, 1, 200_000))
    np.testing.assert_allclose(found[1], np.quantile(draws, 0.95), rtol=0.01)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"generations": 20}, [0, 1, 2, 5, 10, 20]),
        ({"generations": 0}, [0]),
        ({"generations": 3}, [0, 1, 2, 3]),
        ({"generations": 20, "figures.generations": (0, 7, 99)}, [0, 7]),
        ({"generations": 20, "store.every": 8}, [0, 8, 16, 20]),
        ({"generations": 2050}, [0, 50, 100, 150, 200, 350, 2000]),
    ],
)
def test_panels_show_stored_generations(overrides, expected, fake_run):
    run = fake_run("gmm", {"chains": 1} | overrides)
    assert evolution.chosen_generations(run) == expected


def test_one_fit_has_the_exact_mean_and_spread():
    figure = figures.sigma_against_n((10, 100, 1000), repeats=400)
    left, right = figure.axes
    assert len(left.get_lines()) == len(right.get_lines()) + 1
    mean = next(line for line in left.get_lines() if line.is_dashed()).get_ydata()
    np.testing.assert_allclose(mean, [0.92275, 0.99248, 0.99925], atol=1e-4)


def test_every_metric_has_a_name():
    assert {name for entry in LEARNERS.values() for name in entry.metrics or ()} <= set(NAMES)
    for name in (*NAMES.values(), *ONCE.values(), *DERIVED.values()):
        assert name.long_name and name.units and name.axis_label
        assert name.scale in ("linear", "log", "auto")
    assert name_of("my_own_metric").long_name == "my own metric"

"""Error ratios of different estimators beside the sums that they all share."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import recorded
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    QUIET,
    TRUTH,
    canvas,
    colours,
    end_labels,
    generation_axis,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.results import Run
from ouroboros_jax.theory.ratios import LIMITS, RATIOS

LEARNERS = {  # those with an error metric, and their names on a page
    "gaussian": "mean",
    "mean": "mean",
    "median": "median",
    "linear_regression": "least squares",
    "logistic_regression": "logistic regression",
}
ERRORS = ("excess_error", "mean_squared_error")
HEADINGS = {
    "replace": "discard: trained on the last data set",
    "accumulate": "augment: trained on all data sets",
    "accumulate_subsample": "subsample: trained on n points of all",
}
BOUNDS = {"accumulate": r"$\pi^2/6$", "accumulate_subsample": r"$\pi^2/2-2$"}
PLOTS = ("excess_error", "test_mse", "test_log_loss", "accuracy")


def regression_figures(study: Study) -> Iterator[Choice]:
    """The figures of regressions, or of several estimators side by side."""
    several = len(study.learners) > 1 and study.learners <= set(LEARNERS)
    if several and study.generations.size > 1:
        yield "universality", partial(universality, study)
    elif study.learners & {"linear_regression", "logistic_regression"}:
        yield from plots(study, *PLOTS)


def error_ratio(study: Study, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """A cell's mean error over that of generation 0, [G], and the ratio's standard error.

    The error is that of a ratio of means over the same chains, to first order.
    """
    chains = study.cells[cell].chains
    known = (study.array(name)[chains] for name in ERRORS if name in study.metrics)
    errors = next(values for values in known if np.isfinite(values).any())
    first = errors[:, :1].mean()
    ratio = errors.mean(0) / first
    apart = errors - ratio[None] * errors[:, :1]
    return ratio, apart.std(0, ddof=1) / np.sqrt(len(chains)) / first


@styled
def universality(run: Run | Study) -> Figure:
    """Error over generation 0's: one panel per regime, one colour per estimator, the sums dashed.

    Bands are two standard errors of the mean over chains, to which the sums apply.
    """
    study = as_study(run)
    regimes = [r for r in RATIOS if any(c.point["regime.name"] == r for c in study.cells)]
    names = list(dict.fromkeys(c.point["learner.name"] for c in study.cells))
    palette = dict(zip(names, colours(len(names)), strict=True))
    x = study.generations
    figure, axes = canvas(1.4 + 3.6 * len(regimes), 4.2, columns=len(regimes), sharey=False)
    for ax, regime in zip(axes[0], regimes, strict=True):
        ends = []
        for i, cell in enumerate(study.cells):
            if cell.point["regime.name"] != regime:
                continue
            name, (ratio, error) = cell.point["learner.name"], error_ratio(study, i)
            style = {"color": palette[name], "linewidth": 0}
            there = recorded(ratio[None])
            here, ratio, error = x[there], ratio[there], error[there]
            ax.fill_between(here, ratio - 2 * error, ratio + 2 * error, alpha=0.15, **style)
            ax.plot(here, ratio, color=palette[name])
            ends.append((float(ratio[-1]), LEARNERS[name], palette[name]))
        ax.plot(x, RATIOS[regime](x), color=INK, linestyle=overlay.DASHES, lw=1.5, zorder=5)
        if np.isfinite(LIMITS[regime]):
            ax.axhline(LIMITS[regime], color=TRUTH, linewidth=0.9, zorder=0.5)
            words = f"limit {BOUNDS[regime]} = {LIMITS[regime]:.3f}"
            place = ax.get_yaxis_transform()
            ax.text(0.02, LIMITS[regime], words, transform=place, va="bottom", color=QUIET, size=7)
        generation_axis(ax, x)
        ax.set_ylim(bottom=0.95)
        ax.set_title(HEADINGS[regime])
        if ax is axes[0, -1]:
            end_labels(ax, ends)
    axes[0, 0].set_ylabel("error / error of the fit to real data")
    entries = [
        (overlay.line(QUIET, linewidth=1.7), "mean over chains, two standard errors"),
        (
            overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.5),
            "law for many points a generation\nGerstgrasser et al. 2024; Dey and Donoho 2024",
        ),
    ]
    overlay.key_below(figure, entries)
    counts = sorted({len(c.chains) for c in study.cells})
    n = study.cells[0].point["num_samples"]
    title(figure, "Growth of errors, estimator by estimator", f"n = {n}  ·  {counts[0]:,} chains")
    return figure

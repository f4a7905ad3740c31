"""Kernel densities generation by generation, and how long the symmetric mixture survives."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.collapse import survival_share, wilson
from ouroboros_jax.figures.evolution import chosen_generations
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    QUIET,
    TRUTH,
    canvas,
    generation_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.results import Run
from ouroboros_jax.theory.mixture import suresh_bound

MAX_ROWS, POINTS, GRID = 4, 400, 120
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#b9d6ea", MAIN, "#003a5c"])


class View(NamedTuple):
    """One generation's estimate, in the features that are drawn."""

    points: np.ndarray  # [N, 1] or [N, 2]
    weights: np.ndarray  # [N]
    bandwidth: float


def kernel_figures(study: Study) -> Iterator[Choice]:
    """The figures of kernel densities."""
    yield "densities", partial(density_panels, study)
    yield from plots(study, "variance")


def symmetric_figures(study: Study) -> Iterator[Choice]:
    """The figures of symmetric mixtures, whose deviations have a bound under `replace`."""
    is_plain = all(
        cell.point["regime.name"] == "replace" and isinstance(cell.point["num_samples"], int)
        for cell in study.cells
    )
    if is_plain and study.has("std"):
        yield from plots(study, "std")
        if study.cells[0].point["collapse.thresholds"]:
            yield "std_survival", partial(std_survival, study)


def _view(study: Study, chain: int, generation: int, features: list[int]) -> View:
    params = study.run.params(generation=generation, chain=chain)
    read = params.get if isinstance(params, dict) else lambda name: getattr(params, name)
    weights = np.asarray(read("weights"), np.float64)
    points = np.asarray(read("points"), np.float64)[weights > 0][:, features]
    return View(points, weights[weights > 0], float(read("bandwidth")))


def _drawn_features(points: np.ndarray) -> list[int]:
    """At most two features: those that vary most, in order."""
    return sorted(np.argsort(-points.var(0), kind="stable")[:2].tolist())


def density_at(view: View, kernel: str, grid: np.ndarray, num_features: int) -> np.ndarray:
    """The estimate at the rows of `grid` [M, D], up to a factor, [M].

    A projected tophat is drawn as a normal of the same variance.
    """
    h = view.bandwidth
    is_flat = kernel == "tophat" and num_features == grid.shape[1]
    if kernel == "tophat" and not is_flat:
        h = h / np.sqrt(num_features + 2)
    found = np.empty(len(grid))
    for start in range(0, len(grid), 1000):
        rows = grid[start : start + 1000]
        squares = np.square(rows[:, None] - view.points[None]).sum(-1) / h**2
        kernels = (squares <= 1) * 1.0 if is_flat else np.exp(-squares / 2)
        found[start : start + 1000] = kernels @ view.weights
    return found


@styled
def density_panels(run: Run | Study) -> Figure:
    """The estimate of one chain at chosen generations, with the real points of its first fit.

    Rows are the values of the first swept setting. If there are more than two features, the two
    that vary most are drawn; shades are relative to each panel's largest density.
    """
    study = as_study(run)
    generations = chosen_generations(study, 5)
    cells = study.along_first(MAX_ROWS)
    chains = [int(study.cells[c].chains[0]) for c in cells]
    real = [np.asarray(study.run.data(generation=0, chain=c), np.float64) for c in chains]
    features = _drawn_features(real[0])
    num_features = real[0].shape[1]
    rows = [[_view(study, c, g, features) for g in generations] for c in chains]
    is_plane = len(features) == 2
    size = (1.9 * len(generations) + 0.7, (1.85 if is_plane else 1.5) * len(rows) + 1.1)
    figure, axes = canvas(
        *size, rows=len(rows), columns=len(generations), sharex=True, sharey=is_plane
    )
    every = np.concatenate([view.points for row in rows for view in row])
    low, high = np.quantile(every, 0.005, axis=0), np.quantile(every, 0.995, axis=0)
    pad = 0.08 * (high - low) + max(row[0].bandwidth for row in rows)
    lines = [np.linspace(a, b, GRID) for a, b in zip(low - pad, high + pad, strict=True)]
    grid = np.stack([g.ravel() for g in np.meshgrid(*lines)], 1)
    for r, (row, cell) in enumerate(zip(rows, cells, strict=True)):
        kernel = study.cells[cell].point["learner.kernel"]
        shown = real[r][:POINTS][:, features]
        for c, (ax, view) in enumerate(zip(axes[r], row, strict=True)):
            values = density_at(view, kernel, grid, num_features)
            ax.grid(False)
            if is_plane:
                image = values.reshape(GRID, GRID)
                extent = (lines[0][0], lines[0][-1], lines[1][0], lines[1][-1])
                style = {"origin": "lower", "aspect": "auto", "cmap": SHADES}
                ax.imshow(image, extent=extent, interpolation="bilinear", **style)
                ax.scatter(*shown.T, s=1.2, color=INK, alpha=0.35, linewidths=0)
            else:
                ax.fill_between(lines[0], values / values.sum(), color=MAIN, alpha=0.35)
                ax.plot(lines[0], values / values.sum(), color=MAIN, linewidth=1.2)
                ax.plot(shown[:, 0], np.zeros(len(shown)), "|", color=INK, alpha=0.3)
                ax.set_yticks([])
            if r == 0:
                ax.set_title(f"generation {generations[c]:,}")
            if r == len(rows) - 1:
                ax.set_xlabel(f"feature {features[0] + 1}")
        words = [study.first_label(cell)] if len(rows) > 1 else []
        words += [f"feature {features[1] + 1}"] if is_plane else []
        axes[r, 0].set_ylabel("\n".join(words))
    marker = {"marker": "o" if is_plane else "|", "linestyle": "none", "markersize": 2.5}
    entries = [
        (overlay.line(MAIN, linewidth=5), "estimated density"),
        (overlay.line(INK, **marker), "real points of the first fit"),
    ]
    overlay.key_below(figure, entries)
    held = study.held(cells[0])
    first = study.cells[cells[0]].point
    words = [f"{first['learner.kernel']} kernel", held]
    if "learner.bandwidth" not in {f.path for f in study.factors}:
        words.insert(1, f"bandwidth {rows[0][0].bandwidth:.3g}")
    held = ", ".join(word for word in words if word)
    which = "each row's first chain" if len(rows) > 1 else f"chain {chains[0]}"
    title(figure, f"The density of {which}, generation by generation", study.detail(held=held))
    return figure


@styled
def std_survival(run: Run | Study) -> Figure:
    """The share of chains whose standard deviation is above a share of the first, and its bound.

    The thresholds are those of `collapse.thresholds`; the bound is Suresh et al.'s Thm 4, for the
    components' standard deviation. It holds relative to the truth's deviation: for data whose
    components have one.
    """
    study = as_study(run)
    cell = study.cells[0]
    thresholds = sorted(cell.point["collapse.thresholds"], reverse=True)
    truth = cell.point.get("data.stds", cell.point.get("data.std"))
    truth = truth if isinstance(truth, int | float) else None
    values, x = study.array("std")[cell.chains], study.generations
    unit = truth if truth is not None else values[:, :1]
    figure, axes = canvas(6.4, 4.1)
    ax = axes[0, 0]
    entries = []
    for threshold, colour in zip(thresholds, ramp(len(thresholds)), strict=True):
        below = values < threshold * unit
        first = np.where(below.any(1), below.argmax(1), np.nan)
        share = survival_share(first, np.arange(len(x)))
        low, high = wilson(share, len(first))
        ax.plot(x, share, color=colour)
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        if truth is not None:
            bound = suresh_bound(
                x,
                cell.point["num_samples"],
                threshold,
                num_real=cell.point["data.num_samples"],
            )
            ax.plot(x, bound, color=colour, linestyle=overlay.DASHES, linewidth=1.3)
        whose = "the truth's" if truth is not None else "generation 0's"
        entries.append((overlay.line(colour), f"above {threshold:g} of {whose}"))
    generation_axis(ax, x)
    ax.set_ylim(-0.02, 1.04)
    ax.axhline(0, color=TRUTH, linewidth=0.7)
    ax.set_ylabel("share of chains")
    if truth is not None:
        words = "upper bound: Suresh et al. 2024, Thm 4"
        entries.append((overlay.line(QUIET, linestyle=overlay.DASHES, linewidth=1.3), words))
    overlay.key_below(figure, entries)
    estimator = cell.point["learner.estimator"]
    detail = study.detail(held=f"{estimator} estimator", cell=0)
    title(figure, "How long the components keep their spread", detail)
    return figure

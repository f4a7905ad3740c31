"""How one chain's model changes: panels at chosen generations."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Patch

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.mixtures import (
    Gaussians,
    densities,
    ellipse,
    grid,
    mixture_of,
    project,
    total,
    truth_of,
)
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import (
    CATEGORIES,
    FAINT,
    INK,
    MAIN,
    TRUTH,
    canvas,
    note,
    styled,
    title,
)
from ouroboros_jax.results import Run

POINTS = 1000  # points drawn from a model per panel
MAX_ROWS = 5
COMPONENTS = CATEGORIES[1:]  # the first colour is for samples
PUBLISHED = (0, 50, 100, 150, 200, 350, 2000)  # the panels of Shumailov et al. 2023, figure 9


class View(NamedTuple):
    """One generation of one chain, in the dimensions that are drawn."""

    generation: int
    mixture: Gaussians | None
    samples: np.ndarray  # [N, 1] or [N, 2]
    std: float  # root of the mean variance over all features


def chosen_generations(run: Run | Study, most: int = 6) -> list[int]:
    """Generations of the panels: those of the config, or else the first, the last and some between.

    Only generations with stored parameters are chosen; a config's are moved to the nearest one. The
    default choice grows geometrically, but chains as long as Shumailov et al.'s mixtures get the
    published panels.
    """
    study = as_study(run)
    stored, end = study.stored, study.last
    asked = [g for g in study.run.config.figures.generations if g <= end]
    if not asked and end >= PUBLISHED[-1] and study.cells[0].point["learner.name"] == "gmm":
        asked = list(PUBLISHED)
    if not asked and len(stored) <= most:
        asked = stored
    if not asked:
        asked = [0]
        if end:
            asked += [_round(x) for x in np.geomspace(1, end, min(most - 1, end))[:-1]] + [end]
    nearest = [min(stored, key=lambda s, g=g: abs(s - g)) for g in asked]
    return sorted(set(nearest))


def _round(x: float) -> int:
    """A round number near x: 1, 2 or 5 times a power of ten."""
    size = 10 ** int(np.floor(np.log10(x)))
    return int(min((m * size for m in (1, 2, 5, 10)), key=lambda m: abs(np.log(m / x))))


def _views(study: Study, chain: int, generations: list[int]) -> tuple[list[View], str, Any]:
    """The views of a chain's generations, the kind of axes, and the projection onto these."""
    models = [mixture_of(study.run.params(generation=g, chain=chain)) for g in generations]
    drawn = [
        np.asarray(
            study.run.sample(generation=g, chain=chain, num_samples=POINTS, seed=g), np.float64
        )
        for g in generations
    ]
    drawn = [d.reshape(len(d), -1) for d in drawn]
    dims = drawn[0].shape[1]
    basis, axes = np.eye(dims)[:, : min(dims, 2)], "features"
    if dims > 2:
        cloud = np.cov(drawn[0].T) if models[0] is None else total(models[0])[1]
        basis = np.linalg.eigh(cloud)[1][:, ::-1][:, :2]
        basis = basis * np.where(basis.sum(0) < 0, -1.0, 1.0)[None]
        axes = "principal axes"
    found = []
    for g, model, samples in zip(generations, models, drawn, strict=True):
        spread = samples.var(0).mean() if model is None else np.trace(total(model)[1]) / dims
        flat = None if model is None else project(model, basis)
        found.append(View(g, flat, samples @ basis, float(np.sqrt(spread))))
    return found, axes, basis


@styled
def evolution_panels(run: Run | Study, *, chain: int | None = None) -> Figure:
    """The model at chosen generations: a histogram with densities, or points with ellipses.

    A sweep has a row for each value of its first setting, up to five.

    Args:
      run: a run of Gaussians or mixtures.
      chain: which chain; by default the first of each row's.
    """
    study = as_study(run)
    generations = chosen_generations(study)
    cells = study.along_first(MAX_ROWS)
    chains = [int(study.cells[c].chains[0]) for c in cells] if chain is None else [chain]
    if chain is not None:
        cells = [next(i for i, c in enumerate(study.cells) if chain in c.chains)]
    rows = [_views(study, c, generations) for c in chains]
    is_plane = rows[0][0][0].samples.shape[1] == 2
    num = len(generations)
    columns = -(-num // 2) if len(rows) == 1 and num > 4 else num
    lines = len(rows) * -(-num // columns)
    width = max(5.6, 2.15 * columns + 0.6)
    height = (2.1 if is_plane else 1.55) * lines + 1.35
    figure, axes = canvas(width, height, rows=lines, columns=columns, sharex=True, sharey=is_plane)
    truths = [
        _projected_truth(study, cell, basis)
        for cell, (_, _, basis) in zip(cells, rows, strict=True)
    ]
    real = None if truths[0] is not None else _real(study, rows[0][2], chains[0])
    limits = _limits([v for views, _, _ in rows for v in views], truths, real)
    every = axes.reshape(len(rows), -1)  # a single row may be split into two
    panels, rest = every[:, :num], every[:, num:]
    draw = _plane if is_plane else _line
    for own, (views, _, _), truth in zip(panels, rows, truths, strict=True):
        draw(own, views, truth, real, limits)
    for ax, generation in zip(panels[0], generations, strict=True):
        ax.set_title(f"generation {generation:,}")
    for ax in rest.ravel():
        ax.set_axis_off()
    for ax in panels[-1, num - columns :]:  # with no panel below
        ax.tick_params(labelbottom=True)
    if len(rows) > 1:
        for ax, cell in zip(panels[:, 0], cells, strict=True):
            ax.set_ylabel(study.first_label(cell), fontsize=8.5)
    if is_plane:
        name = "principal axis" if rows[-1][1] == "principal axes" else "feature"
        for ax in panels[-1, num - columns :]:
            ax.set_xlabel(f"{name} 1")
        for ax in panels[0, ::columns] if len(rows) == 1 else ():
            ax.set_ylabel(f"{name} 2")
    overlay.key_below(figure, _evolution_key(rows[0][0], is_plane, truths[0] is not None, real))
    held = study.held(cells[0])
    which = f"chain {chains[0]}" if len(chains) == 1 else "each row's first chain"
    cell = cells[0] if len(cells) == 1 and not study.factors else None
    detail = study.detail(held=held, cell=cell)
    title(figure, _heading(study, generations, which), detail)
    return figure


def _projected_truth(study: Study, cell: int, basis: np.ndarray) -> Gaussians | None:
    truth = truth_of(study.cells[cell].point)
    if truth is None or truth.means.shape[1] != basis.shape[0]:
        return None
    return project(truth, basis)


def _limits(views: list[View], truths: list, real) -> list[tuple[float, float]]:
    """The ranges of both axes that hold the bulk of all panels."""
    known = next((truth for truth in truths if truth is not None), None)
    dims = views[0].samples.shape[1]
    return [span_of([v.samples[:, d] for v in views], known, real, d) for d in range(dims)]


def _heading(study: Study, generations: list[int], which: str) -> str:
    name = study.cells[0].point["learner.name"]
    what = "mixture" if name == "gmm" else "Gaussian" if name == "gaussian" else "model"
    span = f"generation {generations[0]} to {generations[-1]:,}"
    return f"The {what} of {which}, {span if len(generations) > 1 else 'generation 0'}"


def _real(study: Study, basis: np.ndarray, chain: int) -> np.ndarray | None:
    """Real points in the drawn dimensions: those of generation 0's fit."""
    real = study.run.data(generation=0, chain=chain)
    if not hasattr(real, "shape"):
        return None
    real = np.asarray(real, np.float64)
    if real.ndim != 2 or real.shape[1] != basis.shape[0] or not len(real):
        return None
    return real[:POINTS] @ basis


def _evolution_key(views, is_plane, has_truth, real) -> list[overlay.Entry]:
    entries = []
    if is_plane:
        entries.append((overlay.line(MAIN, linestyle="none", marker="o", markersize=3), "samples"))
    else:
        entries.append((Patch(color=MAIN, alpha=0.35, linewidth=0), "samples"))
    model = views[0].mixture
    if model is not None:
        count = len(model.weights)
        if is_plane:
            entries.append((overlay.line(COMPONENTS[0]), "components, 1 and 2 sd"))
        else:
            entries.append((overlay.line(INK, linewidth=1.3), "fitted density"))
            if count > 1:
                dashed = overlay.line(COMPONENTS[0], linewidth=1.0)
                entries.append((dashed, "its components"))
    if has_truth and is_plane:
        entries.append((overlay.line(TRUTH, linestyle=(0, (2, 1.5))), "truth, 1 and 2 sd"))
    elif has_truth:
        entries.append((Patch(color=FAINT, alpha=0.7, linewidth=0), "truth"))
    elif real is not None:
        if is_plane:
            entries.append(
                (overlay.line(TRUTH, linestyle="none", marker="o", markersize=3), "real data")
            )
        else:
            entries.append((Patch(color=FAINT, alpha=0.7, linewidth=0), "real data"))
    return entries


def _line(panels, views: list[View], truth, real, limits) -> None:
    """One dimension: histograms, fitted densities, the truth behind them."""
    low, high = limits[0]
    peaks = []
    for ax, view in zip(panels, views, strict=True):
        values = view.samples[:, 0]
        values = values[np.isfinite(values)]
        peak = 0.0
        if truth is not None:
            x = grid(truth, low, high)
            density = densities(truth, x).sum(0)
            ax.fill_between(x, density, color=FAINT, alpha=0.7, linewidth=0, zorder=0.6)
            peak = density.max()
        elif real is not None:
            heights, _, _ = ax.hist(
                real[:, 0],
                bins=30,
                range=(low, high),
                density=True,
                color=FAINT,
                alpha=0.7,
                zorder=0.6,
            )
            peak = heights.max()
        if len(values):
            edges = _edges(values)
            heights, _, _ = ax.hist(
                values, bins=edges, density=True, color=MAIN, alpha=0.35, linewidth=0, zorder=2
            )
            peak = max(peak, heights.max())
        if view.mixture is not None:
            x = grid(view.mixture, low, high)
            parts = densities(view.mixture, x)
            if len(parts) > 1:
                for k, part in enumerate(parts):
                    ax.plot(x, part, color=_component(k), linewidth=1.0, zorder=3)
            ax.plot(x, parts.sum(0), color=INK, linewidth=1.3, zorder=4)
            peak = max(peak, parts.sum(0).max())
        peaks.append(peak)
        ax.set_xlim(low, high)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.grid(False)
        note(ax, f"sd {_short(view.std)}", x=1.0)
    shared = max(peaks) <= 2.5 * max(min(peaks), 1e-300)
    for ax, peak in zip(panels, peaks, strict=True):
        ax.set_ylim(0, 1.12 * (max(peaks) if shared else peak) or 1)


def _plane(panels, views: list[View], truth, real, limits) -> None:
    """Two dimensions: points, and ellipses of one and two standard deviations."""
    for ax, view in zip(panels, views, strict=True):
        if truth is None and real is not None:
            ax.plot(*real.T, ".", color=TRUTH, markersize=2.6, alpha=0.8, zorder=1, mew=0)
        ax.plot(
            *view.samples.T,
            ".",
            color=MAIN,
            markersize=2.2,
            alpha=0.45,
            zorder=2,
            mew=0,
            rasterized=True,
        )
        for law, is_truth in ((truth, True), (view.mixture, False)):
            for k in range(0 if law is None else len(law.weights)):
                width, height, angle = ellipse(law.covariances[k])
                for scale in (1, 2):
                    edge = TRUTH if is_truth else _component(k)
                    ax.add_patch(
                        Ellipse(
                            law.means[k],
                            scale * width,
                            scale * height,
                            angle=angle,
                            fill=False,
                            edgecolor=edge,
                            linewidth=(1.4 if scale == 1 else 0.9) * (0.8 if is_truth else 1),
                            linestyle=(0, (2, 1.5)) if is_truth else "solid",
                            zorder=3 if is_truth else 4,
                        )
                    )
        ax.set_xlim(*limits[0])
        ax.set_ylim(*limits[1])
        ax.grid(False)
        note(ax, f"sd {_short(view.std)}", x=0.98, y=0.98)


def _short(x: float) -> str:
    return f"{x:.2f}" if 0.1 <= x < 100 else f"{x:.2g}"


def _component(k: int) -> str:
    return COMPONENTS[k % (len(COMPONENTS) - 1)]


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of a panel's histogram, over all of its samples."""
    low, high = values.min(), values.max()
    if not high > low:
        low, high = low - max(abs(low), 1.0) * 1e-6, high + max(abs(high), 1.0) * 1e-6
    return np.linspace(low, high, 42)


def span_of(samples: list[np.ndarray], truth, real, axis: int) -> tuple[float, float]:
    """Limits that hold the bulk of every panel and of the truth."""
    ends = []
    for values in [*samples, *([] if real is None else [real[:, axis]])]:
        values = values[np.isfinite(values)]
        if len(values):
            ends += list(np.quantile(values, (0.002, 0.998)))
    if truth is not None:
        std = np.sqrt(truth.covariances[:, axis, axis])
        ends += [(truth.means[:, axis] - 3 * std).min(), (truth.means[:, axis] + 3 * std).max()]
    if not ends:
        return -1.0, 1.0
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 1.0
    return float(low - room), float(high + room)

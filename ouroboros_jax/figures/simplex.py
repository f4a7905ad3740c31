"""Trajectories of three outcomes on the simplex, over the flow that they follow on average."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import recorded
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import CATEGORIES, FAINT, INK, QUIET, canvas, styled, title
from ouroboros_jax.figures.words import text
from ouroboros_jax.results import Run
from ouroboros_jax.settings.regimes import WITH_FRESH
from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.heat_death_laws import law_of

TEMPERATURE, SHARE = "sampler.temperature", "regime.real_fraction"
HEIGHT = float(np.sqrt(3) / 2)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]])
MOST_PATHS = 60  # paths drawn in a panel
ARROWS = 13  # along an edge
GOLD = "#f2b701"


def on_page(p: np.ndarray) -> np.ndarray:
    """Laws on three outcomes, `[..., 3]`, as points of the page, `[..., 2]`."""
    return np.asarray(p, np.float64) @ CORNERS


def share_of(point: dict[str, Any]) -> float:
    """The external share of a point's new data; 0 if its regime has none."""
    return point[SHARE] if point["regime.name"] in WITH_FRESH else 0.0


@styled
def simplex(run: Run | Study) -> Figure:
    """One panel for every temperature, and one row for every external share."""
    study = as_study(run)
    points = [cell.point for cell in study.cells]
    temperatures = sorted({point[TEMPERATURE] for point in points})
    shares = sorted({share_of(point) for point in points})
    size = 0.9 + 2.75 * len(temperatures), 1.0 + 2.6 * len(shares)
    figure, axes = canvas(*size, rows=len(shares), columns=len(temperatures))
    done = set()
    for cell in study.cells:
        row, column = (
            shares.index(share_of(cell.point)),
            temperatures.index(cell.point[TEMPERATURE]),
        )
        if (row, column) not in done:  # other swept settings are shown at their first value
            done.add((row, column))
            paths = study.array("probabilities")[cell.chains[:MOST_PATHS], : study.last + 1]
            paths = paths[:, recorded(paths)]
            draw_panel(axes[row, column], cell.point, paths)
    for ax, value in zip(axes[0], temperatures, strict=True):
        ax.set_title(f"T = {text(value)}", loc="center", fontsize=10)
    if any(shares):
        for ax, value in zip(axes[:, 0], shares, strict=True):
            words = f"external share {text(value)}" if value else "no external data"
            ax.set_ylabel(words, fontsize=9)
    overlay.key_below(figure, _keys(study, any(shares)))
    title(
        figure,
        "Paths on the simplex of outcomes",
        study.detail(but=(TEMPERATURE, SHARE)),
    )
    return figure


def draw_panel(ax: Axes, point: dict[str, Any], paths: np.ndarray) -> None:
    """Paths `[C, G, 3]`, coloured by their likeliest final outcome, and the flow of the map."""
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set(xticks=[], yticks=[], xlim=(-0.08, 1.08), ylim=(-0.07, HEIGHT + 0.08))
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.fill(*CORNERS.T, facecolor="#fcfcfd", edgecolor="#8d949b", linewidth=0.8, zorder=0)
    external = law_of(point, "data.external")
    share = share_of(point)
    _draw_flow(ax, point[TEMPERATURE], share, external)
    marker = {"markeredgewidth": 0.6, "linestyle": "none"}
    for path, winner in zip(on_page(paths), paths[:, -1].argmax(1), strict=True):
        colour = CATEGORIES[winner]
        ax.plot(*path.T, color=colour, linewidth=0.8, alpha=0.5, zorder=2)
        ax.plot(*path[0], "o", color=colour, ms=2.3, mfc="white", zorder=3, **marker)
        ax.plot(*path[-1], "o", color=colour, ms=3.8, mec="white", zorder=4, **marker)
    if share:
        ax.plot(*on_page(external), "*", color=GOLD, ms=11, mec=INK, zorder=5, **marker)
    centre = on_page(np.full(3, 1 / 3))
    for k, corner in enumerate(CORNERS):
        place = corner + (corner - centre) * 0.09
        ax.text(*place, str(k + 1), ha="center", va="center", fontsize=8, color=CATEGORIES[k])


def _draw_flow(ax: Axes, temperature: float, share: float, external: np.ndarray) -> None:
    """Arrows of the map's mean step; lengths to the power 0.4, so that small ones still show."""
    places = np.ndindex(ARROWS + 2, ARROWS + 2)
    grid = np.array([(i, j, ARROWS + 2 - i - j) for i, j in places])
    grid = grid[(grid > 0).all(1)] / (ARROWS + 2)
    step = on_page(heat_death.map_step(grid, temperature, share, external)) - on_page(grid)
    length = np.sqrt(np.square(step).sum(1, keepdims=True))
    step = np.where(length > 1e-9, step * np.maximum(length, 1e-12) ** -0.6, 0)
    ax.quiver(
        *on_page(grid).T, *step.T, color=FAINT, scale=6.5, width=0.006, headwidth=3.5, zorder=1
    )


def _keys(study: Study, has_external: bool) -> list[overlay.Entry]:
    arrow = overlay.line(FAINT, marker=r"$\rightarrow$", markersize=9, linestyle="none")
    start = overlay.line(QUIET, marker="o", markersize=3.5, markerfacecolor="white", linewidth=0.8)
    entries = [
        (arrow, "mean step"),
        (start, "start"),
        (
            overlay.line(QUIET, marker="o", markersize=4.5, linestyle="none"),
            f"generation {study.last:,}, coloured by the likeliest outcome",
        ),
    ]
    if has_external:
        star = overlay.line(GOLD, marker="*", markersize=10, markeredgecolor=INK, linestyle="none")
        entries.append((star, "external law h"))
    return entries

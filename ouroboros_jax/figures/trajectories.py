"""Any metric against generation: `plot`."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.errors import UserError, listed, nearest
from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import LEVELS, draw_band, evenly, last, quantiles
from ouroboros_jax.figures.study import Choice, Factor, Series, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    QUIET,
    TRUTH,
    canvas,
    colours,
    end_labels,
    generation_axis,
    log_axis,
    styled,
    title,
)
from ouroboros_jax.figures.words import assign, describe
from ouroboros_jax.metrics.names import Name, name_of
from ouroboros_jax.results import Run

MAX_PANELS, MAX_LABELS = 6, 8  # most columns or rows; most lines labelled at their end
AUTO_RATIO = 20.0  # an axis is logarithmic if medians span more


class Roles(NamedTuple):
    """The factor shown by colours, columns and rows; None if there is none."""

    colour: Factor | None
    column: Factor | None
    row: Factor | None
    held: tuple[Factor, ...]


@styled
def plot(
    run: Run | Study,
    metric: str,
    *,
    facet: str | None = None,
    color: str | None = None,
    ax: Axes | None = None,
    band: Sequence[float] = LEVELS,
) -> Figure:
    """A metric against generation: medians and quantile bands over chains, and laws.

    The first swept setting takes the colours, the second the columns, the third the rows; others
    keep their first value. A law that holds is dashed, with the mean over chains, to which it
    applies, as a thin line.

    Args:
      run: a run, or a `Study` of one.
      metric: a metric of the run, or "variance_ratio".
      facet: the path of the setting (or "component", "feature") with one panel per value.
      color: the same, for the colours.
      ax: draw here, in one panel.
      band: lower and upper quantile.

    Returns:
      The figure.

    Raises:
      UserError: a metric or setting that the run does not have, a metric unknown throughout.
    """
    study = as_study(run)
    factors, series = study.series(metric)
    if not series:
        raise UserError(f"metric={metric!r} is unknown (NaN) throughout this run")
    if len(band) != 2 or not 0 <= band[0] < band[1] <= 1:
        raise UserError(f"band={tuple(band)} is not two rising quantiles in [0, 1]")
    if ax is not None and facet is not None:
        raise UserError(f"facet={facet!r} needs a figure of its own: leave out ax")
    roles = assign_roles(factors, facet, color, one_panel=ax is not None)
    series = [s for s in series if all(s.place[f.path] == 0 for f in roles.held)]
    columns, rows = panel_values(roles.column), panel_values(roles.row)
    if ax is None:
        many = len(columns) * len(rows) > 1
        width = 6.4 if not many else 1.3 + max(2.35, 6.2 / len(columns)) * len(columns)
        height = 4.1 if len(rows) == 1 else 1.0 + 1.55 * len(rows)
        figure, axes = canvas(
            width,
            height,
            rows=len(rows),
            columns=len(columns),
            sharex=True,
            sharey="row" if len(rows) > 1 else True,
        )
    else:
        figure, axes = ax.figure, np.array([[ax]])
    name = name_of(metric)
    is_log = wants_log(name, [s.values for s in series])
    palette = palette_of(roles.colour, series)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            panel = axes[i, j]
            here = [
                s for s in series if _is_at(s, roles.row, row) and _is_at(s, roles.column, column)
            ]
            draw_panel(panel, study, here, roles.colour, palette, name, is_log, band)
            generation_axis(panel, study.generations, label=i == len(rows) - 1)
            if roles.column is not None and i == 0:
                panel.set_title(assign(roles.column.path, roles.column.labels[column]))
            if roles.row is not None and j == len(columns) - 1:
                _row_title(panel, assign(roles.row.path, roles.row.labels[row]))
            if j == 0:
                panel.set_ylabel(study.axis_label(metric) if len(rows) == 1 else "")
    if len(rows) > 1:
        figure.supylabel(study.axis_label(metric), fontsize=8.5)
    shown_laws = [s.law for s in series if s.law is not None]
    _keys(figure, axes, roles, palette, series, shown_laws, band)
    if ax is None:
        held = ", ".join(assign(f.path, f.labels[0]) for f in roles.held if len(f.values) > 1)
        detail = study.detail(held=f"shown: {held}" if held else "")
        title(figure, describe(metric), detail)
    return figure


def plots(study: Study, *metrics: str) -> Iterator[Choice]:
    """A plot of each of `metrics` that the run has."""
    for metric in metrics:
        if study.has(metric):
            yield metric, partial(plot, study, metric)


def assign_roles(
    factors: tuple[Factor, ...], facet: str | None, color: str | None, one_panel: bool = False
) -> Roles:
    """Assign factors to colours, columns and rows: those requested first, then in order."""
    by_path = {f.path: f for f in factors}
    for what, path in (("color", color), ("facet", facet)):
        if path is not None and path not in by_path:
            there = f"expected {listed(by_path)}" if by_path else "nothing varies in this run"
            raise UserError(f"{what}={path!r} does not vary: {there}{nearest(path, by_path)}")
    rest = [f for f in factors if f.path not in (facet, color)]
    colour = by_path[color] if color else (rest.pop(0) if rest else None)
    if one_panel:
        return Roles(colour, None, None, tuple(rest))
    column = by_path[facet] if facet else (rest.pop(0) if rest else None)
    row = rest.pop(0) if rest else None
    return Roles(colour, column, row, tuple(rest))


def wants_log(name: Name, values: list[np.ndarray]) -> bool:
    """Whether an axis is logarithmic: as the metric says, if it then has something to show."""
    if name.scale == "linear":
        return False
    medians = np.concatenate([quantiles(v, (0.5,))[0] for v in values])
    positive = medians[np.isfinite(medians) & (medians > 0)]
    if name.scale == "log":
        return positive.size > 0
    known = medians[~np.isnan(medians)]
    return (
        positive.size > 0
        and bool((known > 0).all())
        and positive.max() > AUTO_RATIO * positive.min()
    )


def panel_values(factor: Factor | None) -> list[int]:
    """Which values of a factor have a panel; evenly chosen if there are too many."""
    return [0] if factor is None else evenly(len(factor.values), MAX_PANELS)


def _is_at(series: Series, factor: Factor | None, value: int) -> bool:
    return factor is None or series.place[factor.path] == value


def palette_of(factor: Factor | None, series: list[Series]) -> dict[int, Any]:
    if factor is None:
        return {0: MAIN}
    used = sorted({s.place[factor.path] for s in series})
    ordered = factor.is_ordered and factor.path not in ("component", "feature")
    return dict(zip(used, colours(len(used), ordered=ordered), strict=True))


def draw_panel(ax, study, series, factor, palette, name, is_log, levels) -> None:
    alpha = 0.17 if len(series) <= 2 else 0.12 if len(series) <= 4 else 0.07
    for s in series:
        colour = palette[s.place[factor.path] if factor else 0]
        draw_band(
            ax, study.generations, s.values, colour, levels=levels, is_log=is_log, alpha=alpha
        )
        if s.law is not None:
            dark = INK if len(palette) == 1 else colour
            overlay.draw_law(ax, study.generations, s.law, s.values, colour, dark, is_log=is_log)
    if is_log:
        log_axis(ax)
    if study.forked is not None:
        ax.axvline(study.forked, color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0.6)
    if name.reference is not None:
        ax.axhline(name.reference, color=TRUTH, linewidth=0.9, zorder=0.5)


def _row_title(ax: Axes, text: str) -> None:
    ax.annotate(
        text,
        xy=(1, 0.5),
        xycoords="axes fraction",
        xytext=(6, 0),
        textcoords="offset points",
        rotation=270,
        ha="left",
        va="center",
        fontsize=8,
    )


def _keys(figure, axes, roles, palette, series, laws, levels) -> None:
    """Labels at the ends of few lines, a key beside many panels, and one for the line styles."""
    own = overlay.is_own(figure)
    chains = max(len(s.values) for s in series)
    main = MAIN if len(palette) == 1 else QUIET
    entries = overlay.keys_of(laws, colour=main, levels=levels, chains=chains)
    factor = roles.colour
    if factor is not None:
        texts = {i: assign(factor.path, factor.labels[i]) for i in palette}
        single = axes.size == 1 and len(palette) <= MAX_LABELS
        if single and own:
            ends = {s.place[factor.path]: last(quantiles(s.values, (0.5,))[0]) for s in series}
            end_labels(axes[0, 0], [(y, texts[i], palette[i]) for i, y in ends.items()])
        else:
            shown = sorted(palette)
            places = np.unique(np.linspace(0, len(shown) - 1, min(len(shown), 12)).astype(int))
            handles = [(overlay.line(palette[shown[i]]), texts[shown[i]]) for i in places]
            if own:
                overlay.key_beside(figure, handles)
            else:
                entries = handles + entries
    if own:
        overlay.key_below(figure, entries)
    else:
        overlay.key_inside(axes[0, 0], entries)

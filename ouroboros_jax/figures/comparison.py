"""Paired differences over seeds, with their intervals, against generation."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.analysis.coords import plain
from ouroboros_jax.analysis.paired import SETTING
from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import last, recorded, visible
from ouroboros_jax.figures.style import (
    QUIET,
    SEPARATOR,
    canvas,
    colours,
    end_labels,
    generation_axis,
    styled,
    title,
)
from ouroboros_jax.figures.words import assign, text, word
from ouroboros_jax.metrics.names import name_of


class Difference(NamedTuple):
    """One value of a setting against the baseline."""

    value: Any
    generations: np.ndarray  # [G]
    difference: np.ndarray  # [G]
    low: np.ndarray
    high: np.ndarray


def differences(table: Any) -> list[Difference]:
    """The rows of a comparison, by value.

    `table` is an `xarray.Dataset` over (value, generation), or a table with columns `value`,
    `generation`, `difference`, `low` and `high`.
    """
    columns = ("value", "generation", "difference", "low", "high")
    if hasattr(table, "data_vars") and table["difference"].ndim == 2:
        values = [plain(v) for v in np.atleast_1d(table["value"].values)]
        parts = [table[name].transpose("value", "generation").values for name in columns[2:]]
        generations = np.asarray(table["generation"].values)
        return [
            Difference(v, generations, *(np.asarray(p[i], np.float64) for p in parts))
            for i, v in enumerate(values)
        ]
    read = {name: np.asarray(table[name]) for name in columns}
    found = []
    for value in dict.fromkeys(plain(v) for v in read["value"]):
        rows = np.array([plain(v) == value for v in read["value"]])
        order = np.argsort(read["generation"][rows], kind="stable")
        numbers = [read[name][rows][order].astype(np.float64) for name in columns[2:]]
        found.append(Difference(value, read["generation"][rows][order].astype(int), *numbers))
    return found


def _named(setting: str, value: Any) -> str:
    """The value of a setting in words; for two runs, the name of each."""
    return text(value) if setting == SETTING else assign(setting, text(value))


@styled
def compare_figure(comparison: Any, *, ax: Axes | None = None) -> Figure:
    """Differences to the baseline for every value of the setting, with their intervals.

    Its `attrs` may have `setting`, `metric`, `baseline`, `confidence` and `pairs`.
    """
    rows = [d for d in differences(comparison) if np.isfinite(d.difference).any()]
    told = dict(getattr(comparison, "attrs", {}))
    setting = str(told.get("setting", "value"))
    metric = str(told.get("metric", ""))
    figure = ax.figure if ax is not None else None
    if figure is None:
        figure, axes = canvas(6.6, 4.1)
        ax = axes[0, 0]
    is_ordered = all(isinstance(d.value, int | float) for d in rows)
    palette = colours(len(rows), ordered=is_ordered and len(rows) > 1)
    ends = []
    for d, colour in zip(rows, palette, strict=True):
        there = recorded(d.difference[None])
        x = d.generations[there]
        low, middle, high = (visible(v[there], False) for v in (d.low, d.difference, d.high))
        if len(x) == 1:
            ax.plot(x, middle, "o", color=colour)
            ax.vlines(x, low, high, color=colour)
        else:
            ax.fill_between(x, low, high, color=colour, alpha=0.17, linewidth=0)
            ax.plot(x, middle, color=colour)
        ends.append((last(middle), _named(setting, d.value), colour))
    ax.axhline(0, color=QUIET, linewidth=0.9, zorder=2)
    spans = [g for d in rows for g in (d.generations.min(), d.generations.max())]
    generation_axis(ax, np.array([min(spans, default=0), max(spans, default=0)]))
    against = f" to {_named(setting, plain(told['baseline']))}" if "baseline" in told else ""
    ax.set_ylabel(f"difference in {name_of(metric).axis_label}" if metric else "difference")
    share = told.get("confidence")
    interval = f"{100 * float(share):g}% interval" if share is not None else "interval"
    entries = [(overlay.line(QUIET, linewidth=1.7), f"mean difference, bootstrap {interval}")]
    if not overlay.is_own(figure):
        handles = [(overlay.line(c), label) for _, label, c in ends]
        overlay.key_inside(ax, handles + entries)
        return figure
    end_labels(ax, ends)
    overlay.key_below(figure, entries)
    pairs = f"{SEPARATOR}{int(told['pairs']):,} pairs" if "pairs" in told else ""
    changed = f"What {word(setting)} changes" if setting != SETTING else "What the change did"
    title(
        figure,
        f"{changed}: {name_of(metric).axis_label}" if metric else "Differences",
        f"paired differences{against}, chains sharing their random numbers{pairs}",
    )
    return figure

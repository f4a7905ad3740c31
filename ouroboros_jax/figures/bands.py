"""Medians, quantile bands and means over chains. Lines join the generations that were recorded, and
have gaps where these have nothing to show."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

LEVELS = (0.05, 0.95)
FEW = 20  # chains below which outer quantiles are guesses, and a band goes over all of them


def quantiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles over chains of `[C, G]`, `[Q, G]`, by linear interpolation; NaN is ignored.

    Infinities count as values. NaN where every chain is NaN.
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(0)
    if not len(ordered):
        return np.full((len(levels), ordered.shape[1]), np.nan)
    place = np.asarray(levels, np.float64)[:, None] * np.maximum(count - 1, 0)[None]
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0)[None])
    low = np.take_along_axis(ordered, below, 0)
    high = np.take_along_axis(ordered, above, 0)
    with np.errstate(invalid="ignore"):
        step = (place - below) * (high - low)
    found = low + np.where(np.isfinite(step), step, 0.0)  # next to an infinity, the lower value
    return np.where(count[None] > 0, found, np.nan)


def means(values: np.ndarray, log: bool = False) -> np.ndarray:
    """Means over chains of `[C, G]`, ignoring NaN; geometric ones if `log`."""
    values = np.asarray(values, np.float64)
    if log:
        values = np.log(np.where(values > 0, values, np.nan))
    known = ~np.isnan(values)
    count = known.sum(0)
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.where(known, values, 0.0).sum(0) / np.maximum(count, 1)
    found = np.where(count > 0, found, np.nan)
    return np.exp(found) if log else found


def recorded(values: np.ndarray) -> np.ndarray:
    """At which generations any chain of `[C, G, ...]` has a value, bool `[G]`."""
    values = np.asarray(values)
    return ~np.isnan(values).all((0, *range(2, values.ndim)))


def visible(values: np.ndarray, is_log: bool) -> np.ndarray:
    """Values that an axis can show; NaN in place of the others."""
    values = np.asarray(values, np.float64)
    shown = np.isfinite(values) & (values > 0) if is_log else np.isfinite(values)
    return np.where(shown, values, np.nan)


def draw_band(
    ax: Axes,
    x: np.ndarray,
    values: np.ndarray,
    colour: Any,
    *,
    levels: Sequence[float] = LEVELS,
    is_log: bool = False,
    alpha: float = 0.17,
    **line: Any,
) -> np.ndarray:
    """Draw the median over chains and a band around it; returns the median, NaN where none is.

    Lines pass over generations at which nothing was recorded. A single one with something to show
    becomes a point with a bar. With fewer than `FEW` chains the band spans all.
    """
    there = recorded(values)
    medians = np.full(len(x), np.nan)
    x, values = np.asarray(x)[there], values[:, there]
    levels = levels_of(len(values), levels)
    low, middle, high = visible(quantiles(values, (levels[0], 0.5, levels[1])), is_log)
    medians[there] = middle
    if is_log:  # a band that reaches zero ends at the lowest value that can be shown
        positive = np.concatenate([v[~np.isnan(v)] for v in (low, middle)])
        if positive.size:
            low = np.where(np.isnan(low) & ~np.isnan(high), positive.min(), low)
    style = {"color": colour, "zorder": 3, **line}
    if (~np.isnan(middle)).sum() == 1:
        point = {"marker": "o", "markersize": 5, "linestyle": "none"}
        ax.plot(x, middle, clip_on=False, **point, **style)  # it may be on the panel's edge
        if len(values) > 1:
            ax.vlines(x, low, high, color=colour, linewidth=1.2, zorder=2, clip_on=False)
        return medians
    if len(values) > 1:
        ax.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1)
    ax.plot(x, middle, **style)
    return medians


def levels_of(num_chains: int, levels: Sequence[float] = LEVELS) -> Sequence[float]:
    """The quantiles of a band over so many chains."""
    return (0.0, 1.0) if num_chains < FEW and tuple(levels) == LEVELS else levels


def band_words(num_chains: int, levels: Sequence[float] = LEVELS) -> str:
    """`5 to 95% of chains`, or `all chains`."""
    levels = levels_of(num_chains, levels)
    if tuple(levels) == (0.0, 1.0):
        return "all chains"
    return f"{100 * levels[0]:g} to {100 * levels[1]:g}% of chains"


def evenly(count: int, most: int) -> list[int]:
    """At most `most` evenly spaced positions out of 0 to count - 1, including both ends."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, most))})


def last(values: np.ndarray) -> float:
    """The last value that is not NaN."""
    known = np.nonzero(~np.isnan(values))[0]
    return float(values[known[-1]]) if known.size else float("nan")

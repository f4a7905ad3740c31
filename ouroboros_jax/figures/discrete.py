"""Symbols and counts: how many survive, beside their exact law and both bounds; rank-frequency.

The figures of Suresh, Thangaraj and Khandavally 2024 (arXiv 2412.17646), from a run.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from ouroboros_jax.data.vocabulary import PROBABILITIES
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import draw_band, last, recorded
from ouroboros_jax.figures.collapse import wilson
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    TRUTH,
    canvas,
    colours,
    end_labels,
    from_zero,
    generation_axis,
    log_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.results import Run
from ouroboros_jax.theory import discrete, poisson
from ouroboros_jax.theory.discrete_laws import NEUTRAL

MAX_PANELS = 4
BOUND = {"color": "#8d949b", "linewidth": 1.1, "linestyle": (0, (1, 1.6)), "zorder": 2}
SOURCE = "Suresh et al. 2024"


class Bounds(NamedTuple):
    """Both bounds on a share or a number, `[G]`, and their source."""

    low: np.ndarray
    high: np.ndarray
    source: str


def symbol_figures(study: Study) -> Iterator[Choice]:
    """The figures of the categorical learner, in order of interest."""
    data = {cell.point["data.name"] for cell in study.cells}
    if data == {"bernoulli"} and study.has("rare_surviving"):
        yield "survival", partial(survival, study, "rare_surviving")
    elif study.has("surviving"):
        yield "surviving", partial(surviving, study)
        if data == {"zipf"} and len(study.factors) <= 1:
            yield from plots(study, "surviving_share")
    if data <= {"zipf", "unigram", "uniform_symbols", "symbols"}:
        yield "rank_frequency", partial(rank_frequency, study)
    yield from plots(study, "heterozygosity", "entropy", "rare_mass")


def count_figures(study: Study) -> Iterator[Choice]:
    """The figure of the Poisson learner."""
    if study.has("is_alive"):
        yield "survival", partial(survival, study, "is_alive")


def _is_plain(point: dict[str, Any]) -> bool:
    """Whether the published bounds hold: `replace` with equal sizes, no smoothing, T = 1."""
    return (
        point["regime.name"] == "replace"
        and point["num_samples"] == point["data.num_samples"]
        and all(point[path] == one for path, one in NEUTRAL.items() if path in point)
    )


@styled
def surviving(run: Run | Study) -> Figure:
    """Surviving symbols by generation, their exact expectation, and the bounds of Corollary 1."""
    study = as_study(run)
    cells = study.along_first(MAX_PANELS)
    figure, axes = canvas(
        max(6.4, 1.0 + 2.9 * len(cells)), 4.1, columns=len(cells), sharey=True, sharex=True
    )
    x, laws, has_bounds = study.generations, [], False
    for ax, index in zip(axes[0], cells, strict=True):
        cell = study.cells[index]
        values = study.array("surviving")[cell.chains]
        draw_band(ax, x, values, MAIN, alpha=0.22)
        bounds = None
        if cell.point["data.name"] in PROBABILITIES and _is_plain(cell.point):
            p = PROBABILITIES[cell.point["data.name"]](cell.point)
            both = discrete.surviving_bounds(x, cell.point["num_samples"], p)
            top = 1.15 * np.nanmax(values)
            bounds = both[0], np.where(both[1] <= top, both[1], np.nan)
        if bounds is not None and len(x) > 1:
            has_bounds = True
            for values_of_bound in bounds:
                ax.plot(x, values_of_bound, **BOUND)
        law = study.laws(index).get("surviving")
        if law is not None:
            laws.append(law)
            overlay.draw_law(ax, x, law, values, MAIN, INK, is_log=False)
        generation_axis(ax, x)
        if study.factors:
            ax.set_title(study.first_label(index))
    from_zero(axes[0, 0])
    axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    axes[0, 0].set_ylabel("surviving symbols")
    chains = max(len(study.cells[i].chains) for i in cells)
    entries = overlay.keys_of(laws, colour=MAIN, chains=chains)
    if has_bounds:
        words = f"bounds: {SOURCE}, Corollary 1\n(the upper one where it fits)"
        entries.append((Line2D([], [], **BOUND), words))
    overlay.key_below(figure, entries)
    held = study.held(cells[0])
    title(figure, "How many symbols survive", study.detail(held=held))
    return figure


def _bounds(metric: str, point: dict[str, Any], generations: np.ndarray) -> Bounds | None:
    """Bounds on a chain's, or a rare symbol's, survival."""
    if not _is_plain(point):
        return None
    n = point["num_samples"]
    if metric == "is_alive":
        low, high = poisson.survival_rate_bounds(generations)
        rate = n * point["data.rate"]
        return Bounds(-np.expm1(-rate * low), -np.expm1(-rate * high), "g_k from 1/k to 3/k")
    p = min(point["data.p"], 1 - point["data.p"])
    low, high = discrete.survival_bounds(generations, n, p)
    return Bounds(low, np.minimum(high, 1), f"{SOURCE}, Theorem 1")


@styled
def survival(run: Run | Study, metric: str) -> Figure:
    """The share of chains in which a rate, or a rare symbol, is alive: law and bounds on top."""
    study = as_study(run)
    cells = study.slice(*(f.path for f in study.factors[:1]))[:6]
    figure, axes = canvas(6.8, 4.4)
    ax, k = axes[0, 0], study.generations + 1
    ordered = bool(study.factors) and study.factors[0].is_ordered
    palette = colours(len(cells), ordered=ordered)
    ends, laws, sources, lowest = [], [], [], 1.0
    for index, colour in zip(cells, palette, strict=True):
        cell = study.cells[index]
        values = np.minimum(study.array(metric)[cell.chains], 1)
        count = len(values)
        there = recorded(values)
        share = values.mean(0)
        low, high = wilson(share, count)
        bounds = _bounds(metric, cell.point, study.generations)
        if bounds is not None:
            sources.append(bounds.source)
            band = {"color": TRUTH, "alpha": 0.16 if len(cells) < 3 else 0.1, "linewidth": 0}
            ax.fill_between(k, bounds.low, bounds.high, zorder=0.5, **band)
            ax.plot(k, bounds.low, **BOUND)
        band = {"color": colour, "alpha": 0.25, "linewidth": 0, "zorder": 2}
        ax.fill_between(k[there], low[there], high[there], **band)
        shown = np.where(share > 0, share, np.nan)
        ax.plot(k[there], shown[there], color=colour, zorder=3, marker="o" if len(k) == 1 else None)
        law = study.laws(index).get(metric)
        if law is not None:
            laws.append(law)
            style = {"color": INK, "linestyle": overlay.DASHES, "linewidth": 1.3, "zorder": 5}
            ax.plot(k, law.expected, **style)
        ends.append((last(shown), study.first_label(index), colour))
        lowest = min(lowest, np.nanmin(shown, initial=1.0))
    log_axis(ax)
    log_axis(ax, "x")
    ax.set_ylim(min(0.5, 0.6 * lowest), 1.2)
    if len(k) > 1:
        ax.set_xlim(1, k[-1])
    ax.set_xlabel("fits, k = generation + 1")
    what = "the rate is above 0" if metric == "is_alive" else "the rare symbol is left"
    ax.set_ylabel(f"share of chains in which {what}")
    end_labels(ax, ends)
    main = MAIN if len(cells) == 1 else TRUTH
    entries = [(overlay.line(main, linewidth=1.7), "share of chains, 95% interval")]
    entries += overlay.law_keys(laws, MAIN)
    if sources:
        entries.append((Patch(color=TRUTH, alpha=0.25), f"between the bounds: {sources[0]}"))
    overlay.key_below(figure, entries)
    held = study.held(cells[0])
    heads = {"is_alive": "How long a rate lives", "rare_surviving": "How long a rare symbol lives"}
    title(figure, heads[metric], study.detail(held=held))
    return figure


@styled
def rank_frequency(run: Run | Study, *, chain: int | None = None) -> Figure:
    """Probabilities against rank at some generations of one chain: a shrinking vocabulary.

    Each generation is ranked by itself, as usual for rank-frequency curves.
    """
    study = as_study(run)
    cell = study.cells[0]
    chain = int(cell.chains[0]) if chain is None else chain
    end = study.last
    wanted = np.unique(np.round(np.geomspace(1, end + 1, 6)).astype(int) - 1) if end else [0]
    figure, axes = canvas(6.4, 4.3)
    ax, ends = axes[0, 0], []
    stored = [(int(g), _probabilities(study, int(g), chain)) for g in wanted]
    stored = [(g, p) for g, p in stored if p is not None]
    if cell.point["data.name"] in PROBABILITIES:
        truth = np.sort(PROBABILITIES[cell.point["data.name"]](cell.point))[::-1]
        ax.plot(np.arange(1, len(truth) + 1), truth, color=TRUTH, linewidth=2.6, zorder=1)
    for (g, p), colour in zip(stored, ramp(len(stored)), strict=True):
        alive = np.sort(p[p > 0])[::-1]
        rank = np.arange(1, len(alive) + 1)
        ax.step(rank, alive, where="mid", color=colour, linewidth=1.2, zorder=3)
        ax.plot(rank[-1:], alive[-1:], "o", color=colour, markersize=3.4, zorder=4)
        ends.append((overlay.line(colour, linewidth=1.6), f"generation {g:,}: {len(alive):,} left"))
    log_axis(ax, "x")
    log_axis(ax)
    ax.set_xlim(left=0.9)
    ax.set_xlabel("rank among the symbols of that generation")
    ax.set_ylabel("probability")
    entries = [(overlay.line(TRUTH, linewidth=2.6), "truth"), *ends]
    overlay.key_below(figure, entries, columns=3)
    held = f"one chain{': ' + study.label(0) if study.factors else ''}"
    title(figure, "Probabilities of symbols by their rank", study.detail(held=held, cell=0))
    return figure


def _probabilities(study: Study, generation: int, chain: int) -> np.ndarray | None:
    """Probabilities of a stored generation; None if `store.every` left it out."""
    try:
        params = study.run.params(generation=generation, chain=chain)
    except UserError:
        return None
    values = params["probabilities"] if isinstance(params, dict) else params.probabilities
    return np.asarray(values, np.float64)

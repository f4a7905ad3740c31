"""Urns: metrics against the size of a data set that only grows, and the limit of Polya's urn."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import draw_band
from ouroboros_jax.figures.simplex import TEMPERATURE, share_of
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import (
    CATEGORIES,
    INK,
    MAIN,
    canvas,
    end_labels,
    log_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.words import text
from ouroboros_jax.results import Run
from ouroboros_jax.settings.regimes import KEEPING_ALL
from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.discrete import polya_limit
from ouroboros_jax.theory.heat_death_laws import law_of


def is_urn(study: Study) -> bool:
    """Whether all chains are data sets of counts that only grow, by the same number each time."""
    return all(
        cell.point["regime.name"] in KEEPING_ALL
        and cell.point["learner.dynamics"] == "counts"
        and isinstance(cell.point["num_samples"], int)
        for cell in study.cells
    )


def is_polya(study: Study) -> bool:
    """Whether points are added one at a time, at temperature 1 and from a start of whole counts."""
    point = study.cells[0].point
    return (
        len(study.cells) == 1
        and is_urn(study)
        and (point["num_samples"], point[TEMPERATURE], share_of(point)) == (1, 1, 0)
        and point["data.concentration"] == 0
        and isinstance(point["data.start"], tuple)
        and initial_size(point) == sum(point["data.start"])
    )


def initial_size(point: dict[str, Any]) -> int:
    """Points of generation 0."""
    given = point["data.num_samples"]
    return int(point["num_samples"] if given is None else given)


@styled
def urn(run: Run | Study) -> Figure:
    """Largest probability and deviation from uniform by the size of the data set."""
    study = as_study(run)
    figure, axes = canvas(9.2, 4.0, columns=2)
    cells = [study.cells[i] for i in study.slice(TEMPERATURE)]
    temperatures = [cell.point[TEMPERATURE] for cell in cells]
    palette = dict(zip(sorted(temperatures), (MAIN, "#8d949b", CATEGORIES[1]), strict=False))
    if len(temperatures) != 3:
        palette = dict(zip(sorted(temperatures), ramp(len(temperatures)), strict=True))
    ends: dict[str, list] = {"max_probability": [], "deviation": []}
    for cell in cells:
        point, colour = cell.point, palette[cell.point[TEMPERATURE]]
        size = initial_size(point) + point["num_samples"] * study.generations
        for ax, metric in zip(axes[0], ends, strict=True):
            values = study.array(metric)[cell.chains]
            middle = draw_band(ax, size, values, colour, is_log=metric == "deviation")
            ends[metric].append((middle[-1], f"T = {text(point[TEMPERATURE])}", colour))
        slope = heat_death.growth_exponent(point[TEMPERATURE], share_of(point))
        if slope < 0:
            first = np.searchsorted(size, 10 * size[0])
            anchor = np.median(study.array("deviation")[cell.chains, -1])
            line = anchor * (size[first:] / size[-1]) ** slope
            style = {"color": INK, "linestyle": overlay.DASHES, "lw": 1.3, "zorder": 5}
            axes[0, 1].plot(size[first:], line, **style)
    for ax in axes[0]:
        log_axis(ax, "x")
        ax.set(xlabel="size of the data set", xlim=(size[0], size[-1]))
    axes[0, 0].set(ylabel="largest probability", ylim=(0, 1.02))
    log_axis(axes[0, 1])
    axes[0, 1].set_ylabel("largest deviation from uniform")
    for ax, metric in zip(axes[0], ends, strict=True):
        end_labels(ax, ends[metric])
    entries = overlay.keys_of([], chains=len(cells[0].chains))
    if any(heat_death.growth_exponent(t, 0) < 0 for t in temperatures):
        dashes = overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.3)
        entries.append((dashes, "law near uniform: size to the power (1 - a)/T - 1"))
    overlay.key_below(figure, entries, columns=len(entries))
    title(
        figure,
        "Concentration by the size of the data set",
        study.detail(but=(TEMPERATURE,)),
    )
    return figure


@styled
def polya(run: Run | Study) -> Figure:
    """The limit of a Polya urn: every outcome's share against its beta law."""
    study = as_study(run)
    cell = study.cells[0]
    start = np.array(law_of(cell.point, "data.start")) * initial_size(cell.point)
    limits = polya_limit(start)
    final = study.array("probabilities")[cell.chains, study.last]
    figure, axes = canvas(1.0 + 2.4 * len(start), 3.2, columns=len(start), sharey=True)
    for k, ax in enumerate(axes[0]):
        law = limits[k]
        low, high = law.ppf([1e-4, 1 - 1e-4])
        edges = np.linspace(low, high, 31)
        heights = np.histogram(final[:, k], edges)[0] / len(final) / np.diff(edges)
        ax.stairs(heights, edges, fill=True, color=MAIN, alpha=0.35)
        x = np.linspace(low, high, 200)
        ax.plot(x, law.pdf(x), color=INK, linestyle=overlay.DASHES, lw=1.5)
        ax.set_title(f"outcome {k + 1}: {start[k]:g} of {start.sum():g} at the start")
        ax.set_xlabel("share of the data set")
    axes[0, 0].set_ylabel("density")
    dashes = overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.5)
    overlay.key_below(figure, [(dashes, "limit: Dirichlet(initial counts), each share a beta law")])
    title(
        figure,
        "Polya's urn: shares of the outcomes",
        study.detail(held=f"generation {study.last:,}"),
    )
    return figure

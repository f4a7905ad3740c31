"""The phase diagram of heat death: temperature against external share, from both sides."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.simplex import SHARE, TEMPERATURE
from ouroboros_jax.figures.study import Factor, Study, as_study
from ouroboros_jax.figures.style import FAINT, INK, canvas, styled, title
from ouroboros_jax.figures.words import assign
from ouroboros_jax.results import Run
from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.heat_death_laws import law_of

AXES = (TEMPERATURE, SHARE)
APART = 0.05  # final states that differ by more are different
PHASES = ("#c9d9ea", "#f3c9a8", "#f6f4ee")  # collapses, depends on the start, survives
FEWEST = 5  # fewest values along an axis for a diagram


def has_phases(study: Study) -> bool:
    """Whether a run sweeps temperature and share finely enough for a diagram."""
    sizes = {factor.path: len(factor.values) for factor in study.factors}
    fine = min(sizes.get(path, 0) for path in AXES) >= FEWEST
    return fine and "max_probability" in study.metrics


def ends(study: Study) -> dict[tuple[str, ...], np.ndarray]:
    """Mean largest probability at the last generation, `[temperatures, shares]`.

    One array for every combination of the other swept settings, by their words.
    """
    last = study.metrics["max_probability"].values[:, study.last]
    places = {factor.path: i for i, factor in enumerate(study.factors)}
    others = [i for i, factor in enumerate(study.factors) if factor.path not in AXES]
    shape = tuple(len(study.factors[places[path]].values) for path in AXES)
    found: dict[tuple[str, ...], np.ndarray] = {}
    for cell in study.cells:
        factors = [(study.factors[i], cell.place[i]) for i in others]
        key = tuple(_words(factor, place) for factor, place in factors)
        table = found.setdefault(key, np.full(shape, np.nan))
        table[tuple(cell.place[places[path]] for path in AXES)] = last[cell.chains].mean()
    return found


def _words(factor: Factor, place: int) -> str:
    if factor.path == "data.corner":
        return f"start: one outcome at {factor.labels[place]}, the others equal"
    return assign(factor.path, factor.labels[place])


@styled
def phase_diagram(run: Run | Study) -> Figure:
    """The chains' final states, one panel per start, and a panel that compares the starts."""
    study = as_study(run)
    tables = ends(study)
    factors = {
        factor.path: np.array(factor.values, np.float64)
        for factor in study.factors
        if factor.path in AXES
    }
    temperature, share = (factors[path] for path in AXES)
    point = study.cells[0].point
    num = int(point["data.num_outcomes"])
    is_uniform = bool(np.ptp(law_of(point, "data.external")) < 1e-12)
    both = len(tables) == 2
    figure, axes = canvas(
        1.5 + 3.3 * (len(tables) + both), 4.3, columns=len(tables) + both, sharex=True, sharey=True
    )
    for ax, (words, table) in zip(axes[0], tables.items(), strict=False):
        shading = {"cmap": "viridis", "vmin": 1 / num, "vmax": 1.0, "rasterized": True}
        mesh = ax.pcolormesh(temperature, share, table.T, **shading)
        ax.set_title(", ".join(words))
        if is_uniform:
            draw_thresholds(ax, temperature, num, "white")
    panels = axes[0, : len(tables)].tolist()
    bar = figure.colorbar(mesh, ax=panels, location="left", aspect=32, pad=0.015)
    bar.set_label("largest probability at the end")
    bar.outline.set_visible(False)
    if both:
        _draw_phases(axes[0, -1], temperature, share, list(tables.values()), num)
        if is_uniform:
            draw_thresholds(axes[0, -1], temperature, num, INK)
    for ax in axes[0]:
        ax.grid(False)
        ax.set(xlabel="temperature T", xlim=(temperature[0], temperature[-1]))
        ax.set_ylim(0, share[-1])
    axes[0, 0].set_ylabel("external share a of each generation's data")
    if is_uniform:
        local = overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.3)
        overlay.key_below(
            figure,
            [
                (local, "1 - T: above it the uniform law is stable"),
                (overlay.line(INK, linewidth=1.3), f"$a_g$({num}, T): above it nothing else is"),
            ],
        )
    detail = study.detail(
        but=(*AXES, "num_samples"), held=f"{num} outcomes, generation {study.last:,}"
    )
    title(figure, "How much external data keeps a model alive", detail)
    return figure


def draw_thresholds(ax: Axes, temperature: np.ndarray, num: int, colour: str) -> None:
    """The local and the global threshold."""
    curve = np.linspace(temperature[0], min(1.0, temperature[-1]), 160)
    local = heat_death.local_threshold(curve)
    ax.plot(curve, local, color=colour, linestyle=overlay.DASHES, lw=1.3)
    ax.plot(curve, [heat_death.global_threshold(num, t) for t in curve], color=colour, lw=1.3)


def _draw_phases(ax: Axes, temperature, share, tables, num: int) -> None:
    """Which starts end near uniform: neither, one of the two, or both."""
    alive = np.sort(np.stack([table < 1 / num + APART for table in tables]), 0)
    phase = alive.sum(0)
    ax.pcolormesh(
        temperature,
        share,
        phase.T,
        cmap=ListedColormap(PHASES),
        vmin=-0.5,
        vmax=2.5,
        rasterized=True,
    )
    ax.set_title("what the start decides")
    words = ("collapses from either", "depends on the start (hysteresis)", "survives from either")
    patches = [
        Patch(facecolor=c, edgecolor=FAINT, label=w) for c, w in zip(PHASES, words, strict=True)
    ]
    ax.legend(
        handles=patches[::-1],
        loc="upper right",
        fontsize=7,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
    )

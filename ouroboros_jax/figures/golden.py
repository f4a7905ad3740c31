"""The error that remains as a function of the weight of real data."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import recorded
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import INK, QUIET, TRUTH, canvas, colours, styled, title
from ouroboros_jax.results import Run
from ouroboros_jax.schedule import count_share
from ouroboros_jax.theory import weighted

CONTRACTED = 0.01  # share of generation 0's excess or deficit that may be left


def golden_figures(study: Study) -> Iterator[Choice]:
    """The figure of a Gaussian's weights, if they are swept."""
    is_plain = all(
        cell.point["regime.name"] == "weighted"
        and cell.point["data.name"] == "normal"
        and isinstance(cell.point["num_samples"], int)
        and isinstance(cell.point["regime.real_fraction"], int | float)
        and isinstance(cell.point["regime.real_weight"], int | float)
        for cell in study.cells
    )
    is_swept = any(factor.path == "regime.real_weight" for factor in study.factors)
    if is_plain and is_swept and study.has("mean_squared_error"):
        yield "weights", partial(error_by_weight, study)


def _counts(point: dict[str, Any]) -> tuple[int, int]:
    real = int(count_share(point["regime.real_fraction"], point["num_samples"]))
    return real, point["num_samples"] - real


def _weight(point: dict[str, Any]) -> float:
    real, synthetic = _counts(point)
    return float(weighted.resolve_weight(point["regime.real_weight"], [real], [synthetic])[0])


@styled
def error_by_weight(run: Run | Study) -> Figure:
    """The error's limit V(w) by weight: chains averaged over their last generations, and the law.

    Errors are in units of the error from one generation's real points alone, std^2 / n.
    """
    study = as_study(run)
    shares = sorted({cell.point["regime.real_fraction"] for cell in study.cells})
    palette = dict(zip(shares, colours(len(shares)), strict=True))
    figure, axes = canvas(6.4, 4.3)
    ax = axes[0, 0]
    grid = np.linspace(0.02, 1, 400)
    keys = []
    for share in shares:
        cells = [c for c in study.cells if c.point["regime.real_fraction"] == share]
        point, colour = cells[0].point, palette[share]
        real, synthetic = _counts(point)
        unit = float(point["data.std"]) ** 2 / real
        features = point["data.num_features"]
        curve = weighted.stationary_mean_error(grid, real, synthetic) * real
        ax.plot(grid, curve, color=colour, linestyle=overlay.DASHES, linewidth=1.5)
        for cell in cells:
            w = _weight(cell.point)
            values = study.array("mean_squared_error")[cell.chains]
            settled = recorded(values) & ((1 - w) ** (2 * study.generations) < CONTRACTED)
            if not settled.any():
                continue
            values = values[:, settled].mean(1)
            values = values / unit / features
            error = 2 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0
            ax.errorbar(w, values.mean(), error, fmt="o", color=colour, markersize=4, zorder=4)
        best = float(weighted.golden_weight(real / synthetic))
        ax.plot([best, best], [0, best], color=colour, linewidth=0.9, zorder=1)
        ax.annotate(
            f"w = {best:.3f}",
            xy=(best, 0),
            xycoords=("data", "axes fraction"),
            xytext=(3, 4),
            textcoords="offset points",
            fontsize=7,
            color=colour,
        )
        ratio = real / synthetic
        points = "point" if ratio == 1 else "points"
        keys.append((overlay.line(colour), f"{ratio:.3g} real {points} to a synthetic one"))
    ax.axhline(1, color=TRUTH, linewidth=0.9, zorder=0.5)
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 3)
    ax.set_xlabel("weight of the real data, w")
    ax.set_ylabel("error of the mean, in units of real data alone")
    entries = [
        *keys,
        (overlay.line(QUIET, marker="o", linestyle="none", markersize=4), "chains, 95% interval"),
        (
            overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.5),
            "law: V(w); smallest at the golden ratio where k = 1\nHe, Xu and Cheng 2025",
        ),
    ]
    overlay.key_below(figure, entries, columns=2)
    title(figure, "The best weight for real data", study.detail(but=("regime.real_weight",)))
    return figure

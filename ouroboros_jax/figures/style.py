"""How figures look: type, colours, layout, titles and safe files.

Nothing here touches matplotlib's global state: figures are made and written inside `look()`, never
through pyplot, so they work without a display, in threads and in notebooks.
"""

import io
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ouroboros_jax.atomic import replacing

INK, QUIET, FAINT = "#22262b", "#6b7178", "#c9cdd2"
TRUTH = "#9aa1a9"
# Okabe and Ito's colours, distinguishable with all common kinds of colour vision, without their
# yellow, which is too light.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MAIN = CATEGORIES[0]
DPI = 160
STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": DPI,
    "savefig.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "mathtext.fontset": "dejavusans",
    "axes.edgecolor": "#8d949b",
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.labelpad": 4,
    "axes.titlesize": 8.5,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#e9ebed",
    "grid.linewidth": 0.7,
    "xtick.color": "#8d949b",
    "ytick.color": "#8d949b",
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.labelcolor": QUIET,
    "legend.handlelength": 1.8,
    "legend.borderaxespad": 0.4,
    "pdf.fonttype": 42,
}
LABEL_SIZE = 7.5
SEPARATOR = "  ·  "


class Picture(Figure):
    """A figure that a notebook shows by itself, without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self)


def look() -> AbstractContextManager:
    """The context in which figures are made."""
    return matplotlib.rc_context(STYLE)


def styled(function: Callable) -> Callable:
    """`function`, run inside `look()`."""

    @wraps(function)
    def inside(*args, **kwargs):
        with look():
            return function(*args, **kwargs)

    return inside


def canvas(
    width: float, height: float, *, rows: int = 1, columns: int = 1, **kwargs
) -> tuple[Picture, np.ndarray]:
    """A figure of `width` by `height` inches, and its axes `[rows, columns]`."""
    figure = Picture(figsize=(width, height), layout="constrained")
    pads = {"w_pad": 0.06, "h_pad": 0.06, "wspace": 0.02, "hspace": 0.02}
    figure.get_layout_engine().set(**pads)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def title(figure: Figure, text: str, detail: str = "") -> None:
    """A title and, beneath it in grey, what was run; both wrapped to the figure's width."""
    points = 72 * figure.get_size_inches()[0] - 14
    text = textwrap.fill(text, max(20, int(points / 7.2)))
    detail = _wrapped(detail, max(30, int(points / 4.35)))
    lines = detail.count("\n") + 1 if detail else 0
    heading = figure.suptitle(
        text + "\n" * lines, x=0.013, ha="left", fontsize=11, fontweight="bold", linespacing=1.35
    )
    if detail:
        figure.add_artist(
            Annotation(
                detail,
                xy=(0, 0),
                xycoords=heading,
                xytext=(0, 1),
                textcoords="offset points",
                ha="left",
                va="bottom",
                fontsize=8,
                color=QUIET,
                linespacing=1.35,
            )
        ).set_in_layout(False)


def _wrapped(detail: str, width: int) -> str:
    """The parts of a detail line, wrapped."""
    lines = [""]
    for part in detail.split(SEPARATOR):
        longer = f"{lines[-1]}{SEPARATOR}{part}" if lines[-1] else part
        if lines[-1] and len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def ramp(count: int) -> list[Any]:
    """Colours for ordered values, dark to light; the lightest is still legible on white."""
    if count == 1:
        return [MAIN]
    return [matplotlib.colormaps["viridis"](x) for x in np.linspace(0.0, 0.84, count)]


def colours(count: int, *, ordered: bool = False) -> list[Any]:
    """`count` colours: a ramp if the order matters or categories run out."""
    if ordered or count > len(CATEGORIES):
        return ramp(count)
    return list(CATEGORIES[:count])


def generation_axis(ax: Axes, generations: np.ndarray, label: bool = True) -> None:
    """An axis of whole generations."""
    first, last = int(generations[0]), int(generations[-1])
    if first == last:
        ax.set_xlim(first - 0.5, first + 0.5)
        ax.set_xticks([first])
    else:
        ax.set_xlim(first, last)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    if label:
        ax.set_xlabel("generation")


def log_axis(ax: Axes, which: str = "y") -> None:
    """A logarithmic axis with few, plain ticks."""
    if which == "y":
        ax.set_yscale("log")
        axis, (low, high) = ax.yaxis, ax.get_ylim()
    else:
        ax.set_xscale("log")
        axis, (low, high) = ax.xaxis, ax.get_xlim()
    decades = np.log10(high / low) if low > 0 else 1.0
    axis.set_minor_formatter(NullFormatter())

    def tick(x, _):  # all ticks of an axis alike, and limits may still change
        low, high = sorted(axis.get_view_interval())
        return power(x, is_plain=low >= 0.999e-2 and high <= 1.001e4)

    axis.set_major_formatter(FuncFormatter(tick))
    if decades < 1.3:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    else:
        axis.set_major_locator(LogLocator(numticks=7))
    axis.set_minor_locator(LogLocator(subs=(), numticks=2))


def power(x: float, is_plain: bool) -> str:
    """A tick of a logarithmic axis: 0.01, 5, 1,000, or as powers of ten."""
    if is_plain:
        return f"{x:,.10g}"
    exponent = int(np.floor(np.log10(x) + 1e-9))
    mantissa = round(x / 10.0**exponent) if abs(exponent) < 300 else 1
    return rf"$10^{{{exponent}}}$" if mantissa == 1 else rf"${mantissa}\cdot10^{{{exponent}}}$"


def end_labels(ax: Axes, ends: Sequence[tuple[float, str, Any]]) -> None:
    """Labels (y, text, colour) beside the right edge, moved apart if they would touch.

    Call it once limits and scales are final.
    """
    kept = [(y, text, c) for y, text, c in ends if np.isfinite(y)]
    if not kept:
        return
    to_axes = ax.transScale + ax.transLimits
    heights = np.array([to_axes.transform((ax.get_xlim()[1], y))[1] for y, _, _ in kept])
    height = ax.figure.get_size_inches()[1] * 72 / max(1, ax.get_gridspec().nrows) * 0.58
    gap = LABEL_SIZE * 1.28 / height
    order = np.argsort(heights, kind="stable")
    placed = apart(np.clip(heights[order], 0, 1), gap)
    placed += max(0.0, 0.02 - placed[0])  # clear of the ticks below
    placed -= max(0.0, placed[-1] - max(1.0, gap * (len(placed) - 1)))
    for place, i in zip(placed, order, strict=True):
        _, text, colour = kept[i]
        ax.annotate(
            text,
            xy=(1, place),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=LABEL_SIZE,
            color=colour,
            annotation_clip=False,
        )


def apart(positions: np.ndarray, gap: float) -> np.ndarray:
    """Sorted positions moved as little as keeps neighbours `gap` apart (least squares)."""
    blocks: list[list[float]] = []  # [sum of targets, count] of labels that touch
    for target in positions - gap * np.arange(len(positions)):
        blocks.append([float(target), 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    flat = np.concatenate([np.full(int(count), total / count) for total, count in blocks])
    return flat + gap * np.arange(len(positions))


def from_zero(ax: Axes) -> None:
    """A linear axis that starts at zero, with some room above."""
    ax.set_ylim(0, ax.get_ylim()[1] * 1.04)


def note(ax: Axes, text: str, *, x: float = 0.98, y: float = 0.97, **kwargs) -> None:
    """A small grey remark inside a panel."""
    settings = {"ha": "right", "va": "top", "fontsize": 7, "color": QUIET, **kwargs}
    ax.text(x, y, text, transform=ax.transAxes, **settings)


def png(figure: Figure) -> bytes:
    """The picture as PNG."""
    buffer = io.BytesIO()
    with look():
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, folder: Path, name: str, *, pdf: bool = False) -> list[Path]:
    """Write `name`.png, and .pdf if `pdf`, each under a temporary name first."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    kinds: dict[str, dict] = {"png": {"Software": None}}
    if pdf:
        kinds["pdf"] = {"CreationDate": None}
    for kind, metadata in kinds.items():
        path = folder / f"{name}.{kind}"
        with replacing(path, shared=True) as temporary, look():
            figure.savefig(temporary, format=kind, metadata=metadata)
        written.append(path)
    return written

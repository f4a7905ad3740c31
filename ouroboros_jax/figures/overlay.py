"""Laws drawn over data, and keys that explain the lines."""

import re
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ouroboros_jax.figures.bands import FEW, LEVELS, band_words, means, recorded, visible
from ouroboros_jax.figures.style import INK, MAIN, QUIET, Picture
from ouroboros_jax.theory.laws import Law

DASHES = (0, (4, 2.2))
_SYMBOLS = {"sum": r"\Sigma", "prod": r"\Pi", "psi": r"\psi", "ln": r"\ln", "c4": "c_4"}
_LETTERS = {"n", "g", "j", "k", "E", "s", "d"}

Entry = tuple[Artist, str]


def formula(label: str) -> str:
    """A law's label as mathematics, if it is a formula and not words."""
    tokens = set(re.findall(r"[A-Za-z]\w*", label.replace("_", " ")))
    if not tokens or not tokens <= _LETTERS | set(_SYMBOLS):
        return label
    maths = re.sub(r"\^\(([^()]*)\)", r"^{\1}", label)
    for name, symbol in _SYMBOLS.items():
        maths = re.sub(rf"(?<![A-Za-z\\]){name}(?=[_^(\s])", lambda _, s=symbol: s, maths)
    return f"${re.sub(r'(?<=[)}]) (?=[(])', ' ', maths).replace('] ', ']')}$"


def draw_law(
    ax: Axes,
    x: np.ndarray,
    law: Law,
    values: np.ndarray,
    colour: Any,
    law_colour: Any,
    *,
    is_log: bool,
) -> None:
    """Draw the law dashed, and the mean over chains, to which it applies, as a thin line."""
    if len(x) == 1:
        ax.plot(x, visible(law.expected, is_log), marker="_", markersize=22, color=law_colour)
        return
    there = recorded(values)
    mean = visible(means(values), is_log)
    ax.plot(x[there], mean[there], color=colour, linewidth=0.8, zorder=4)
    style = {"color": law_colour, "linestyle": DASHES, "linewidth": 1.5, "zorder": 5}
    ax.plot(x, visible(law.expected, is_log), **style)


def line(colour: Any = QUIET, **kwargs: Any) -> Line2D:
    """A handle of a key."""
    return Line2D([], [], color=colour, **kwargs)


def keys_of(
    laws: Iterable[Law], *, colour: Any = QUIET, levels=LEVELS, chains: int = FEW
) -> list[Entry]:
    """Key entries for the line styles: median, band, mean, and every law with its source, once."""
    entries = band_keys(colour, chains=chains, band=band_words(chains, levels))
    of_laws = law_keys(laws, colour)
    if of_laws and chains > 1:
        entries.append((line(colour, linewidth=0.8), "mean"))
    return entries + of_laws


def band_keys(colour: Any = QUIET, *, chains: int = 2, band: str) -> list[Entry]:
    """Key entries for the median and the band, which `band` describes; or for a single chain."""
    if chains == 1:
        return [(line(colour, linewidth=1.7), "one chain")]
    shade = Patch(color=colour, alpha=0.22, linewidth=0)
    return [(line(colour, linewidth=1.7), "median"), (shade, band)]


def law_keys(laws: Iterable[Law], colour: Any = QUIET) -> list[Entry]:
    """Key entries for the laws, one for each source."""
    by_source: dict[str, dict[str, None]] = {}
    for law in laws:
        by_source.setdefault(law.source, {})[formula(law.label)] = None
    dashes = line(INK if colour == MAIN else colour, linestyle=DASHES, linewidth=1.5)
    return [
        (dashes, f"law of the mean: {',   '.join(labels)}\n{textwrap.fill(source, 80)}")
        for source, labels in by_source.items()
    ]


def key_below(figure: Figure, entries: list[Entry], columns: int = 0) -> None:
    """A key under the panels, for which the layout makes room."""
    if entries:
        figure.legend(
            [handle for handle, _ in entries],
            [text for _, text in entries],
            loc="outside lower left",
            ncols=columns or _columns([text for _, text in entries], figure.get_figwidth()),
            alignment="left",
            columnspacing=1.6,
            labelspacing=0.35,
        )


def _columns(texts: list[str], width: float) -> int:
    """The most columns of a key that fit into a figure `width` inches wide."""
    most = 2 if any("\n" in text for text in texts) else 4
    for num in range(min(most, len(texts)), 1, -1):
        rows = -(-len(texts) // num)
        lengths = [
            max(len(line) for text in texts[i : i + rows] for line in text.split("\n"))
            for i in range(0, len(texts), rows)
        ]
        if sum(0.053 * length + 0.45 for length in lengths) <= width:
            return num
    return 1


def key_beside(figure: Figure, entries: list[Entry], heading: str = "") -> None:
    """A key to the right of the panels."""
    legend = figure.legend(
        [handle for handle, _ in entries],
        [text for _, text in entries],
        loc="outside right upper",
        title=heading or None,
        alignment="left",
    )
    legend.get_title().set(color=INK, fontsize=8)


def key_inside(ax: Axes, entries: list[Entry]) -> None:
    """A short key inside a panel of a user's own figure: only the first lines."""
    texts = [text.partition("\n")[0] for _, text in entries]
    if entries:
        handles = [handle for handle, _ in entries]
        ax.legend(handles, texts, loc="best", fontsize=6.5, frameon=True, framealpha=0.7)


def is_own(figure: Figure) -> bool:
    """Whether a figure was made here, so that its margins may be used."""
    return isinstance(figure, Picture)

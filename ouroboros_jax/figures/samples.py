"""The effect of the number of samples: runs side by side, and the error of a single fit."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import LEVELS, draw_band, last, quantiles, visible
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    SEPARATOR,
    TRUTH,
    canvas,
    colours,
    end_labels,
    generation_axis,
    log_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import wants_log
from ouroboros_jax.figures.words import assign
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.results import Run
from ouroboros_jax.theory import gaussian

SIZES = tuple(int(n) for n in np.unique(np.round(np.logspace(1, 7, 25))))


def has_sizes(run: Run | Study) -> bool:
    """Whether `num_samples` is swept over numbers."""
    return any(f.path == "num_samples" and f.is_ordered for f in as_study(run).factors)


@styled
def sample_sizes(run: Run | Study, metrics: Sequence[str] | None = None) -> Figure:
    """Curves of one or two metrics for every n, and their final values against n.

    Args:
      run: a run with `num_samples` swept.
      metrics: one per row; by default the variance ratio, and for mixtures the squared L2.
    """
    study = as_study(run)
    if metrics is None:
        is_mixture = study.cells[0].point["learner.name"] != "gaussian"
        metrics = ["variance_ratio", "l2_squared"] if is_mixture else ["variance_ratio"]
        metrics = [m for m in metrics if study.has(m)]
    place = next(i for i, f in enumerate(study.factors) if f.path == "num_samples")
    factor = study.factors[place]
    others = [i for i in range(len(study.factors)) if i != place]
    figure, axes = canvas(8.8, 0.9 + 3.1 * len(metrics), rows=len(metrics), columns=2)
    laws = []
    for row, metric in zip(axes, metrics, strict=True):
        _curves(row[0], study, metric, factor, study.slice("num_samples"), laws)
        groups = [study.slice("num_samples")]
        if others:
            other = study.factors[others[0]]
            both = study.slice("num_samples", other.path)
            groups = [
                [i for i in both if study.cells[i].place[others[0]] == v]
                for v in range(len(other.values))
            ]
        _ends(row[1], study, metric, place, others[0] if others else None, groups)
        row[0].set_title(f"{study.axis_label(metric)}, by generation")
        row[1].set_title(f"{study.axis_label(metric)}, generation {int(study.generations[-1]):,}")
    chains = max(len(c.chains) for c in study.cells)
    overlay.key_below(figure, overlay.keys_of(laws, chains=chains))
    held = study.held(study.slice("num_samples")[0], but=("num_samples",))
    held = f"left, {held}" if held else ""
    title(figure, "What the number of samples does", study.detail(held=held))
    return figure


def _values(study: Study, metric: str, cell: int) -> np.ndarray:
    chains = study.cells[cell].chains
    if metric == "variance_ratio":
        return study.array("variance")[chains] / study.original(cell)
    return study.array(metric)[chains]


def _curves(ax, study, metric, factor, cells, laws) -> None:
    values = [_values(study, metric, i) for i in cells]
    is_log = wants_log(name_of(metric), values)
    palette = ramp(len(cells))
    place = study.factors.index(factor)
    ends = []
    for block, index, colour in zip(values, cells, palette, strict=True):
        middle = draw_band(ax, study.generations, block, colour, is_log=is_log, alpha=0.12)
        law = study.laws(index).get(metric)
        if law is not None:
            overlay.draw_law(ax, study.generations, law, block, colour, colour, is_log=is_log)
            laws.append(law)
        label = assign(factor.path, factor.labels[study.cells[index].place[place]])
        ends.append((last(middle), label, colour))
    if is_log:
        log_axis(ax)
    generation_axis(ax, study.generations)
    end_labels(ax, ends if len(ends) <= 10 else ends[:: -(-len(ends) // 10)])


def _ends(ax, study, metric, place, other, groups) -> None:
    everything = [_values(study, metric, i)[:, -1:] for cells in groups for i in cells]
    is_log = wants_log(name_of(metric), everything)
    palette = [MAIN]
    if other is not None:
        palette = colours(len(groups), ordered=study.factors[other].is_ordered)
    ends = []
    for g, (cells, colour) in enumerate(zip(groups, palette, strict=True)):
        if not cells:
            continue
        sizes = np.array([study.factors[place].values[study.cells[i].place[place]] for i in cells])
        finals = np.array(
            [
                quantiles(_values(study, metric, i)[:, -1:], (LEVELS[0], 0.5, LEVELS[1]))[:, 0]
                for i in cells
            ]
        )
        low, middle, high = visible(finals.T, is_log)
        shift = 1.035 ** (g - (len(groups) - 1) / 2)
        ax.vlines(sizes * shift, low, high, color=colour, alpha=0.45, linewidth=2.2, zorder=2)
        ax.plot(sizes * shift, middle, "o-", color=colour, markersize=4.5, linewidth=1.1, zorder=3)
        expected = [study.laws(i).get(metric) for i in cells]
        if all(law is not None for law in expected):
            law = visible(np.array([law.expected[-1] for law in expected]), is_log)
            dark = INK if len(groups) == 1 else colour
            style = {"color": dark, "linestyle": overlay.DASHES}
            ax.plot(sizes * shift, law, lw=1.3, zorder=4, **style)
        if other is not None:
            factor = study.factors[other]
            ends.append((last(middle), assign(factor.path, factor.labels[g]), colour))
    log_axis(ax, "x")
    if is_log:
        log_axis(ax)
    ax.set_xlabel("n, points a generation")
    end_labels(ax, ends)


@styled
def sigma_against_n(
    sizes: Sequence[int] = SIZES,
    *,
    repeats: int = 1000,
    estimator: str = "mle",
    seed: int = 0,
) -> Figure:
    """The estimate of sigma = 1 from n points, and its error, for n up to ten million.

    A single fit, repeated: s^2 is drawn exactly, chi-square with n - 1 degrees of freedom over n
    (`mle`) or n - 1 (`unbiased`), so that ten million points cost as much as ten.

    Args:
      sizes: numbers of points, 2 or more, ascending.
      repeats: draws for each.
      estimator: `mle` or `unbiased`.
      seed: for the draws.
    """
    n = np.asarray(sizes, np.float64)
    rng = np.random.default_rng(seed)
    nu = n if estimator == "mle" else n - 1
    draws = np.sqrt(rng.chisquare(n[None] - 1, (repeats, len(n))) / nu[None])
    expected = np.sqrt((n - 1) / nu) * gaussian.c4(n)
    square = (n - 1) / nu + 1 - 2 * expected
    figure, axes = canvas(8.6, 4.2, columns=2)
    left, right = axes[0]
    rows = np.linspace(0, repeats - 1, min(repeats, 60)).astype(int)
    for ax, values in ((left, draws), (right, np.abs(1 - draws))):
        ax.plot(
            np.broadcast_to(n, (len(rows), len(n))).ravel(),
            values[rows].ravel(),
            ".",
            color=MAIN,
            alpha=0.3,
            markersize=2.8,
            mew=0,
            zorder=1,
        )
        draw_band(ax, n, values, MAIN, is_log=ax is right)
    left.axhline(1.0, color=TRUTH, linewidth=0.9, zorder=0.5)
    dashed = {"color": INK, "linestyle": overlay.DASHES, "lw": 1.4}
    left.plot(n, expected, zorder=5, **dashed)
    right.plot(n, np.sqrt(square), zorder=5, **dashed)
    for ax in (left, right):
        ax.set_xlim(n[0], n[-1])
        log_axis(ax, "x")
        ax.set_xlabel("n, points in the fit")
    log_axis(right)
    left.set_title(r"estimate of $\sigma = 1$")
    right.set_title(r"$|1 - \sigma|$")
    entries = overlay.band_keys(MAIN, band="5 to 95% of repeats")
    handle = overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.4)
    words = r"exact: mean; root mean square, near $1/\sqrt{2n}$"
    entries += [(handle, words), (overlay.line(MAIN, ls="none", marker="."), "single fits")]
    overlay.key_below(figure, entries, columns=4)
    words = {"mle": "maximum likelihood", "unbiased": "unbiased variance"}[estimator]
    parts = ("one Gaussian fit to real data", words, f"{repeats:,} repeats of each n")
    title(figure, "How well one fit finds sigma", SEPARATOR.join(parts))
    return figure

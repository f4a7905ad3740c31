"""How fast a chain loses its variance: the typical path beside the mean, and survival."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import draw_band, last, means, recorded, visible
from ouroboros_jax.figures.fits import is_replace_1d, replace_settings
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import (
    CATEGORIES,
    INK,
    MAIN,
    QUIET,
    SEPARATOR,
    canvas,
    end_labels,
    generation_axis,
    log_axis,
    note,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import MAX_PANELS
from ouroboros_jax.figures.words import text
from ouroboros_jax.results import Run
from ouroboros_jax.schedule import parse
from ouroboros_jax.theory import gaussian
from ouroboros_jax.theory.tails import collapse_survival_bound

TYPICAL = CATEGORIES[1]


def _grid(study: Study, cells: list[int], height: float) -> tuple[Figure, np.ndarray]:
    width = 6.4 if len(cells) == 1 else 1.2 + max(2.4, 6.2 / len(cells)) * len(cells)
    figure, axes = canvas(width, height, columns=len(cells), sharex=True, sharey=True)
    for ax, index in zip(axes[0], cells, strict=True):
        generation_axis(ax, study.generations)
        if len(cells) > 1:
            ax.set_title(study.first_label(index))
    return figure, axes[0]


@styled
def typical_path(run: Run | Study) -> Figure:
    """Mean and median of the variance: it is conserved on average, but lost on almost every path.

    The law of the mean is drawn if there is one; that of the median, exp(E[ln v]) to leading order,
    only for the one-dimensional `replace` loop.
    """
    study = as_study(run)
    cells = study.along_first(MAX_PANELS)
    x = study.generations
    figure, axes = _grid(study, cells, 4.2)
    words, many = {}, max(len(study.cells[c].chains) for c in cells)
    lines = []
    for ax, index in zip(axes, cells, strict=True):
        cell = study.cells[index]
        values = study.array("variance")[cell.chains] / study.original(index)
        middle = draw_band(ax, x, values, TYPICAL, is_log=True)
        there = recorded(values)
        mean = visible(means(values), True)
        is_point = len(x) == 1
        ax.plot(
            x[there], mean[there], color=MAIN, marker="o" if is_point else None, lw=1.4, zorder=4
        )
        ends = [(last(middle), "median", TYPICAL), (last(mean), "mean", MAIN)]
        laws = {}
        if (law := study.laws(index).get("variance_ratio")) is not None:
            laws["mean, exact"] = law.expected
        if is_replace_1d(study, index):
            median = gaussian.median_variance(x, **replace_settings(cell.point))
            laws["median exp(E[ln v]), to leading order"] = median / study.original(index)
        for label, expected in {} if is_point else laws.items():
            style = {"color": INK, "linestyle": overlay.DASHES, "lw": 1.3, "zorder": 5}
            ax.plot(x, visible(expected, True), **style)
            words[label] = None
        lines.append((ax, ends))
    log_axis(axes[0])
    axes[0].set_ylabel(study.axis_label("variance_ratio"))
    if many > 1:
        ax, ends = lines[-1]
        end_labels(ax, ends)
    entries = overlay.keys_of([], colour=TYPICAL, chains=many)
    if many > 1:
        entries.append((overlay.line(MAIN, linewidth=1.4), "mean"))
    if words:
        label = ("laws: " if len(words) > 1 else "law: ") + ";\n".join(words)
        entries.append((overlay.line(INK, linestyle=overlay.DASHES, linewidth=1.3), label))
    overlay.key_below(figure, entries, columns=len(entries))
    held = study.held(cells[0])
    title(figure, "Variance on average and on a typical path", study.detail(held=held))
    return figure


def survival_bound(run: Run | Study, cell: int, threshold: float) -> np.ndarray | None:
    """Suresh et al.'s bound on P(time to collapse > generation); None if its premises fail.

    Premises: the one-dimensional `replace` loop, no bias above 1, collapse of the variance.
    """
    study = as_study(run)
    point = study.cells[cell].point
    watched = point["collapse.metric"]
    if not is_replace_1d(study, cell) or watched != "variance" or not 0 < threshold < 1:
        return None
    if parse(point["sampler.bias"]).at(study.generations).max() > 1:
        return None
    return collapse_survival_bound(
        study.generations,
        point["num_samples"],
        threshold,
        num_real=point["data.num_samples"],
        estimator=point["learner.estimator"],
    )


@styled
def survival(run: Run | Study, *, ax: Axes | None = None) -> Figure:
    """The share of chains that have not collapsed yet, for each threshold, beside its bound.

    The band is Wilson's 95% interval for a share of independent chains, drawn while some but not
    all have collapsed.
    """
    study = as_study(run)
    times = np.asarray(study.metrics["time_to_collapse"].values, np.float64)
    thresholds = np.asarray(study.metrics["threshold"].values, np.float64)
    cells = [0] if ax is not None else study.along_first(MAX_PANELS)
    if ax is None:
        figure, axes = _grid(study, cells, 4.1)
    else:
        figure, axes = ax.figure, [ax]
        generation_axis(ax, study.generations)
    x = study.generations
    palette = ramp(len(thresholds))
    has_bound, own = False, overlay.is_own(figure)
    for panel, index in zip(axes, cells, strict=True):
        ends = []
        for t, (threshold, colour) in enumerate(zip(thresholds, palette, strict=True)):
            first = times[study.cells[index].chains, t]
            share = survival_share(first, x)
            low, high = wilson(share, len(first))
            step = {"color": colour, "zorder": 3}
            if len(x) == 1:
                panel.plot(x, share, "o", **step)
            else:
                panel.step(x, share, where="post", **step)
                if len(first) > 1:
                    some = (share > 0) & (share < 1)
                    band = {"where": some, "step": "post", "alpha": 0.15, "linewidth": 0}
                    panel.fill_between(x, low, high, color=colour, **band)
            bound = survival_bound(study, index, float(threshold))
            if bound is not None and len(x) > 1:
                panel.plot(x, bound, color=colour, linestyle=overlay.DASHES, lw=1.3, zorder=2)
                has_bound = True
            ends.append((float(share[-1]), f"{100 * threshold:g}%", colour))
        panel.set_ylim(-0.02, 1.04)
        if np.isnan(times[study.cells[index].chains]).all():
            note(panel, "no chain was ever below", x=0.5, y=0.5, ha="center", fontsize=8)
        if panel is axes[-1] and own:
            end_labels(panel, ends)
    axes[0].set_ylabel("share of chains never below")
    entries = [(overlay.line(QUIET, linewidth=1.7), "share of chains, 95% interval")]
    if has_bound:
        words = "upper bound: Suresh et al. 2024, Thm 3\n(Chernoff family, best power)"
        entries.append((overlay.line(QUIET, linestyle=overlay.DASHES, linewidth=1.3), words))
    if not own:
        handles = [(overlay.line(c), e[1]) for c, e in zip(palette, ends, strict=True)]
        overlay.key_inside(axes[0], handles + entries)
        return figure
    overlay.key_below(figure, entries)
    point = study.cells[0].point
    watched = text(point["collapse.metric"])
    held = study.held(cells[0])
    held = SEPARATOR.join(
        part for part in (held, f"{watched} as a share of generation 0's") if part
    )
    title(figure, "How long chains survive", study.detail(held=held))
    return figure


def survival_share(times: np.ndarray, generations: np.ndarray) -> np.ndarray:
    """P(time > generation) over chains; NaN means that a chain never collapsed."""
    never = np.where(np.isnan(times), np.inf, times)
    return (never[:, None] > generations[None]).mean(0)


def wilson(share: np.ndarray, count: int, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for a share of `count`."""
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)

"""The fits: components, a Gaussian's mean and deviation with their laws, and errors."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import LEVELS, draw_band, last, means, quantiles, recorded
from ouroboros_jax.figures.study import Factor, Series, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    QUIET,
    canvas,
    colours,
    end_labels,
    from_zero,
    generation_axis,
    log_axis,
    note,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import (
    MAX_LABELS,
    MAX_PANELS,
    assign_roles,
    draw_panel,
    palette_of,
    wants_log,
)
from ouroboros_jax.figures.words import assign
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.results import Run
from ouroboros_jax.theory import gaussian

HEADINGS = {"mean": "mean", "std": "standard deviation"}


class Panel(NamedTuple):
    """The content and the labels of one panel of components."""

    ax: Axes
    cell: int
    which: str  # of `HEADINGS`
    feature: int
    title: str
    label: str  # of the vertical axis
    is_bottom: bool
    is_end: bool  # whether its lines are labelled


@styled
def components(run: Run | Study) -> Figure:
    """Means and standard deviations of a mixture's components, one colour each.

    In one dimension, columns are the values of the first swept setting; otherwise rows are
    features.
    """
    study = as_study(run)
    cells = study.along_first(MAX_PANELS)
    arrays = {which: _with_features(study.array(f"component_{which}")) for which in HEADINGS}
    count = min(arrays["mean"].shape[2], 7)
    palette = colours(count)
    if len(cells) > 1:
        figure, panels = _panels_of_cells(study, cells)
    else:
        figure, panels = _panels_of_features(cells[0], min(arrays["mean"].shape[3], 4))
    for panel in panels:
        ax, chains = panel.ax, study.cells[panel.cell].chains
        block = arrays[panel.which][chains][..., panel.feature]
        lines = [block[..., k] for k in range(count)]
        lines = [values for values in lines if np.isfinite(values).any()]
        known = lines or [block[..., 0]]
        is_log = panel.which == "std" and wants_log(name_of("component_std"), known)
        ends = []
        for k, values in enumerate(lines):
            middle = draw_band(ax, study.generations, values, palette[k], is_log=is_log)
            ends.append((last(middle), f"{k + 1}", palette[k]))
        if is_log:
            log_axis(ax)
        generation_axis(ax, study.generations, label=panel.is_bottom)
        ax.set_title(panel.title)
        ax.set_ylabel(panel.label)
        if panel.is_end and count > 1:
            end_labels(ax, ends)
    most = max(len(study.cells[cell].chains) for cell in cells)
    entries = overlay.keys_of([], chains=most)
    if count > 1:
        entries += [(overlay.line(palette[k]), f"component {k + 1}") for k in range(count)]
    overlay.key_below(figure, entries, columns=min(len(entries), 6))
    detail = study.detail(held=study.held(cells[0]))
    title(figure, "Fitted means and standard deviations", detail)
    return figure


def _with_features(array: np.ndarray) -> np.ndarray:
    return array[..., None] if array.ndim == 3 else array


def _panels_of_cells(study: Study, cells: list[int]) -> tuple[Figure, list[Panel]]:
    """A column for each cell, means above deviations, of the first feature."""
    num = len(cells)
    width = 1.3 + max(2.4, 6.2 / num) * num
    figure, axes = canvas(width, 4.6, rows=2, columns=num, sharex=True, sharey="row")
    panels = [
        Panel(
            ax,
            cell,
            which,
            feature=0,
            title=study.first_label(cell) if which == "mean" else "",
            label=heading if cell == cells[0] else "",
            is_bottom=which == "std",
            is_end=cell == cells[-1],
        )
        for column, cell in zip(axes.T, cells, strict=True)
        for ax, (which, heading) in zip(column, HEADINGS.items(), strict=True)
    ]
    return figure, panels


def _panels_of_features(cell: int, num: int) -> tuple[Figure, list[Panel]]:
    """A row for each feature, means beside deviations."""
    height = 3.7 if num == 1 else 1.6 + 1.5 * num
    figure, axes = canvas(8.0, height, rows=num, columns=2, sharex=True)
    panels = [
        Panel(
            ax,
            cell,
            which,
            feature,
            title=heading if feature == 0 and num > 1 else "",
            label=heading if num == 1 else f"feature {feature + 1}" if which == "mean" else "",
            is_bottom=feature == num - 1,
            is_end=True,
        )
        for feature, row in enumerate(axes)
        for ax, (which, heading) in zip(row, HEADINGS.items(), strict=True)
    ]
    return figure, panels


@styled
def fitted_gaussian(run: Run | Study) -> Figure:
    """Mean and standard deviation of a one-dimensional Gaussian chain, with their laws."""
    study = as_study(run)
    cells, x = study.along_first(MAX_PANELS), study.generations
    num = len(cells)
    if num == 1:
        figure, axes = canvas(8.0, 3.7, columns=2, sharex=True)
        pairs, places = axes, ("left", "right")
    else:
        width = 1.3 + max(2.4, 6.2 / num) * num
        figure, axes = canvas(width, 4.9, rows=2, columns=num, sharex=True, sharey="row")
        pairs, places = axes.T, ("top", "bottom")
    dashes = {"color": QUIET, "linestyle": overlay.DASHES, "linewidth": 1.3}
    words: dict[str, None] = {}
    for (of_mean, of_std), index in zip(pairs, cells, strict=True):
        cell, laws = study.cells[index], study.laws(index)
        draw_band(of_mean, x, study.array("mean")[cell.chains, :, 0], MAIN)
        draw_band(of_std, x, np.sqrt(study.array("variance")[cell.chains]), MAIN)
        if "mean_squared_error" in laws and len(x) > 1:
            cone = np.sqrt(laws["mean_squared_error"].expected)
            for sign in (-1, 1):
                of_mean.plot(x, float(cell.point["data.mean"]) + sign * cone, **dashes)
            words[f"{places[0]}: ± root mean squared error"] = None
        if "w2_squared" in laws and len(x) > 1:
            of_std.plot(x, gaussian.expected_std(x, **replace_settings(cell.point)), **dashes)
            words[f"{places[1]}: E[s]"] = None
        from_zero(of_std)
        generation_axis(of_mean, x, label=num == 1)
        generation_axis(of_std, x)
        if num > 1:
            of_mean.set_title(study.first_label(index))
    pairs[0][0].set_ylabel("fitted mean")
    pairs[0][1].set_ylabel("fitted standard deviation")
    most = max(len(study.cells[cell].chains) for cell in cells)
    entries = overlay.keys_of([], colour=MAIN, chains=most)
    if words:
        handle = overlay.line(QUIET, linestyle=overlay.DASHES, linewidth=1.3)
        entries.append((handle, f"law: {'; '.join(words)}"))
    overlay.key_below(figure, entries, columns=3)
    detail = study.detail(held=study.held(cells[0]))
    title(figure, "Fitted mean and standard deviation", detail)
    return figure


def replace_settings(point: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `theory.gaussian`'s functions for a point of the `replace` loop."""
    return {
        "num_samples": point["num_samples"],
        "num_real": point["data.num_samples"],
        "estimator": point["learner.estimator"],
        "bias": point["sampler.bias"],
        "std": point["data.std"],
    }


def is_replace_1d(study: Study, cell: int) -> bool:
    """Whether the exact laws of the one-dimensional `replace` loop hold in a cell."""
    return "w2_squared" in study.laws(cell)


def is_gaussian_1d(study: Study) -> bool:
    """Whether all cells are chains of one-dimensional Gaussians."""
    return all(
        c.point["learner.name"] == "gaussian"
        and c.point["data.name"] == "normal"
        and c.point["data.num_features"] == 1
        for c in study.cells
    )


@styled
def errors(run: Run | Study) -> Figure:
    """|mu - truth| and |1 - sigma| against fits, both axes logarithmic, for every n.

    As in Shumailov et al.'s notebook, in units of the truth's standard deviation. The laws are for
    root mean squares: E[(mu - mu0)^2], and E[(s - std)^2] = E[W2^2] - E[(mu - mu0)^2].
    """
    study = as_study(run)
    factor = next((f for f in study.factors if f.path == "num_samples"), None)
    factor = factor or (study.factors[0] if study.factors else None)
    cells = study.slice(factor.path) if factor else [0]
    place = {f.path: i for i, f in enumerate(study.factors)}
    palette = colours(len(cells), ordered=factor is None or factor.is_ordered)
    fits = study.generations + 1
    levels = LEVELS if len(cells) == 1 else (0.25, 0.75)
    figure, axes = canvas(8.6, 4.3, columns=2, sharex=True, sharey=True)
    ends, has_law = [], False
    for colour, index in zip(palette, cells, strict=True):
        cell = study.cells[index]
        std = float(cell.point["data.std"])
        centre = float(cell.point["data.mean"])
        mean = np.abs(study.array("mean")[cell.chains, :, 0] - centre) / std
        sigma = np.abs(1 - np.sqrt(study.array("variance")[cell.chains]) / std)
        for ax, values in zip(axes[0], (mean, sigma), strict=True):
            middle = draw_band(ax, fits, values, colour, levels=levels, is_log=True, alpha=0.14)
        if factor is not None:
            text = assign(factor.path, factor.labels[cell.place[place[factor.path]]])
            ends.append((last(middle), text, colour))
        laws = study.laws(index)
        if "mean_squared_error" in laws and len(fits) > 1:
            squares = [laws["mean_squared_error"].expected]
            if "w2_squared" in laws:
                squares.append(np.maximum(laws["w2_squared"].expected - squares[0], 0))
            for ax, square, values in zip(axes[0], squares, (mean, sigma), strict=False):
                style = {"color": INK if len(cells) == 1 else colour, "linestyle": overlay.DASHES}
                ax.plot(fits, np.sqrt(square) / std, lw=1.2, **style)
                there = recorded(values)  # what the law speaks of, beside the median
                middle = np.sqrt(means(np.square(values[:, there])))
                ax.plot(fits[there], middle, color=colour, linewidth=0.8, zorder=4)
            has_law = True
    for ax, text in zip(
        axes[0], (r"$|\mu - \mu_0|\,/\,\sigma_0$", r"$|1 - \sigma/\sigma_0|$"), strict=True
    ):
        ax.set_title(text, fontsize=10)
        ax.set_xlabel("fits (generation + 1)")
        if len(fits) > 1:
            ax.set_xlim(fits[0], fits[-1])
            log_axis(ax, "x")
        else:
            ax.set_xticks(fits)
        log_axis(ax)
    axes[0, 0].set_ylabel("distance from the truth")
    end_labels(axes[0, 1], ends)
    chains = max(len(study.cells[i].chains) for i in cells)
    main = MAIN if len(cells) == 1 else QUIET
    entries = overlay.keys_of([], chains=chains, colour=main, levels=levels)
    if has_law:
        dashed = overlay.line(
            INK if len(cells) == 1 else QUIET, linestyle=overlay.DASHES, linewidth=1.2
        )
        entries.append((overlay.line(main, linewidth=0.8), "root mean square"))
        entries.append((dashed, "law of the root mean square (exact)"))
    overlay.key_below(figure, entries)
    held = study.held(cells[0], but=(factor.path,) if factor else ())
    title(figure, "How far the fit has strayed", study.detail(held=held))
    return figure


@styled
def moments(run: Run | Study) -> Figure:
    """Log determinant of the covariance and squared error of the mean side by side, with laws."""
    study = as_study(run)
    figure, axes = canvas(8.6, 4.3, columns=2)
    laws = []
    for ax, metric in zip(axes[0], ("log_det_covariance", "mean_squared_error"), strict=True):
        factors, series = study.series(metric)
        roles = assign_roles(factors, None, None, one_panel=True)
        series = [s for s in series if all(s.place[f.path] == 0 for f in roles.held)]
        name = name_of(metric)
        is_log = wants_log(name, [s.values for s in series]) if series else False
        palette = palette_of(roles.colour, series) if series else {}
        draw_panel(ax, study, series, roles.colour, palette, name, is_log, LEVELS)
        generation_axis(ax, study.generations)
        ax.set_title(name.axis_label)
        laws += [s.law for s in series if s.law is not None]
        if not series:
            note(ax, "not known", x=0.5, y=0.5, ha="center")
        elif roles.colour is not None and metric == "mean_squared_error":
            ends = [
                (
                    last(quantiles(s.values, (0.5,))[0]),
                    _label_of(roles.colour, s),
                    palette[s.place[roles.colour.path]],
                )
                for s in series
            ]
            if len(palette) <= MAX_LABELS:
                end_labels(ax, ends)
            else:
                handles = [
                    (overlay.line(c), _label_of(roles.colour, s))
                    for (_, _, c), s in zip(ends, series, strict=True)
                ]
                overlay.key_beside(figure, handles)
    chains = max(len(c.chains) for c in study.cells)
    main = MAIN if len(study.cells) == 1 else QUIET
    overlay.key_below(figure, overlay.keys_of(laws, colour=main, chains=chains))
    held = study.held(0)
    title(figure, "Covariance and mean", study.detail(held=held))
    return figure


def _label_of(factor: Factor, series: Series) -> str:
    return assign(factor.path, factor.labels[series.place[factor.path]])

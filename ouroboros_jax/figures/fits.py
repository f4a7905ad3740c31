"""What was fitted: components, a Gaussian's mean and deviation with their laws, their errors."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import LEVELS, draw_band, last, quantiles
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


@styled
def components(run: Run | Study) -> Figure:
    """Means and standard deviations of a mixture's components, one colour each.

    In one dimension the columns are the first swept setting's values; otherwise the rows are
    features.
    """
    study = as_study(run)
    cells = study.along_first(MAX_PANELS)
    arrays = [_with_features(study.array(f"component_{which}")) for which in ("mean", "std")]
    count = min(arrays[0].shape[2], 7)
    features = 1 if len(cells) > 1 else min(arrays[0].shape[3], 4)
    palette = colours(count)
    is_wide = len(cells) > 1
    rows, columns = (2, len(cells)) if is_wide else (features, 2)
    figure, axes = canvas(
        1.3 + max(2.4, 6.2 / columns) * columns if is_wide else 8.0,
        4.6 if is_wide else 1.6 + (2.1 if features == 1 else 1.5 * features),
        rows=rows,
        columns=columns,
        sharex=True,
        sharey="row" if is_wide else False,
    )
    labels = ("mean", "standard deviation")
    for c, cell in enumerate(cells):
        for d in range(features):
            for which in range(2):
                ax = axes[which, c] if is_wide else axes[d, which]
                block = arrays[which][study.cells[cell].chains]
                lines = [block[:, :, k, d] for k in range(count)]
                lines = [v for v in lines if np.isfinite(v).any()]
                is_log = which == 1 and wants_log(
                    name_of("component_std"), lines or [block[..., 0, d]]
                )
                ends = []
                for k, values in enumerate(lines):
                    middle = draw_band(ax, study.generations, values, palette[k], is_log=is_log)
                    ends.append((last(middle), f"{k + 1}", palette[k]))
                if is_log:
                    log_axis(ax)
                bottom = which == 1 if is_wide else d == features - 1
                generation_axis(ax, study.generations, label=bottom)
                if is_wide:
                    ax.set_ylabel(labels[which] if c == 0 else "")
                    if which == 0:
                        ax.set_title(study.first_label(cell))
                elif features > 1:
                    ax.set_ylabel(f"feature {d + 1}" if which == 0 else "")
                    if d == 0:
                        ax.set_title(labels[which])
                else:
                    ax.set_ylabel(labels[which])
                if (c == len(cells) - 1 if is_wide else True) and count > 1:
                    end_labels(ax, ends)
    chains = max(len(study.cells[c].chains) for c in cells)
    entries = overlay.keys_of([], chains=chains)
    if count > 1:
        entries += [(overlay.line(palette[k]), f"component {k + 1}") for k in range(count)]
    overlay.key_below(figure, entries, columns=min(len(entries), 6))
    held = study.held(cells[0])
    title(figure, "Fitted means and standard deviations", study.detail(held=held))
    return figure


def _with_features(array: np.ndarray) -> np.ndarray:
    return array[..., None] if array.ndim == 3 else array


@styled
def fitted_gaussian(run: Run | Study) -> Figure:
    """Mean and standard deviation of a one-dimensional Gaussian chain, with their laws."""
    study = as_study(run)
    cells = study.along_first(MAX_PANELS)
    x = study.generations
    figure, axes = canvas(
        8.0 if len(cells) == 1 else 1.3 + max(2.4, 6.2 / len(cells)) * len(cells),
        3.7 if len(cells) == 1 else 4.9,
        rows=1 if len(cells) == 1 else 2,
        columns=2 if len(cells) == 1 else len(cells),
        sharex=True,
        sharey=False if len(cells) == 1 else "row",
    )
    axes = axes.reshape(1, 2).T if len(cells) == 1 else axes
    entries = overlay.keys_of(
        [], colour=MAIN, chains=max(len(study.cells[c].chains) for c in cells)
    )
    has_cone = has_std = False
    for j, index in enumerate(cells):
        cell = study.cells[index]
        point = cell.point
        means = study.array("mean")[cell.chains, :, 0]
        stds = np.sqrt(study.array("variance")[cell.chains])
        top, bottom = axes[0, j], axes[1, j]
        draw_band(top, x, means, MAIN)
        draw_band(bottom, x, stds, MAIN)
        laws = study.laws(index)
        if "mean_squared_error" in laws and len(x) > 1:
            centre = float(point["data.mean"])
            cone = np.sqrt(laws["mean_squared_error"].expected)
            for sign in (-1, 1):
                top.plot(x, centre + sign * cone, color=QUIET, linestyle=overlay.DASHES, lw=1.3)
            has_cone = True
        if "w2_squared" in laws and len(x) > 1:
            bottom.plot(
                x,
                gaussian.expected_std(x, **replace_settings(point)),
                color=QUIET,
                lw=1.3,
                linestyle=overlay.DASHES,
            )
            has_std = True
        from_zero(bottom)
        if j == 0:
            top.set_ylabel("fitted mean")
            bottom.set_ylabel("fitted standard deviation")
        for ax in (top, bottom):
            generation_axis(ax, x, label=ax is bottom or len(cells) == 1)
        if len(cells) > 1:
            top.set_title(study.first_label(index))
    dashed = overlay.line(QUIET, linestyle=overlay.DASHES, linewidth=1.3)
    places = ("left", "right") if len(cells) == 1 else ("top", "bottom")
    words = [f"{places[0]}: ± root mean squared error"] if has_cone else []
    words += [f"{places[1]}: E[s]"] if has_std else []
    if words:
        entries.append((dashed, f"law: {'; '.join(words)}"))
    overlay.key_below(figure, entries, columns=3)
    held = study.held(cells[0])
    title(figure, "Fitted mean and standard deviation", study.detail(held=held))
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

    As in Shumailov et al.'s notebook, in units of the truth's standard deviation. The laws are of
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
            for ax, square in zip(axes[0], squares, strict=False):
                style = {"color": INK if len(cells) == 1 else colour, "linestyle": overlay.DASHES}
                ax.plot(fits, np.sqrt(square) / std, lw=1.2, **style)
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

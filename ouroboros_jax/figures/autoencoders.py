"""Curves and matrices of a run of autoencoders: training, labels, codes, classifiers."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.data.classes import class_names
from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import evenly, recorded
from ouroboros_jax.figures.pictures import (
    animation,
    followed_codes,
    reconstructions,
    sample_grids,
)
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import (
    MAIN,
    canvas,
    colours,
    generation_axis,
    note,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.metrics.names.images import CODE_EDGES, LABELLERS
from ouroboros_jax.results import Run

MATRICES = {
    "classifier_accuracy_matrix": "accuracy",
    "classifier_loss_matrix": "loss (nat)",
}
PLOTTED = (
    *("latent_mean", "label_entropy_first", "label_entropy_judge", "test_elbo"),
    *("test_accuracy", "frechet_distance", "precision", "recall", "pairwise_distance"),
)


def image_figures(study: Study) -> Iterator[Choice]:
    """The figures of autoencoders, in order of interest."""
    yield "samples", partial(sample_grids, study)
    yield "followed", partial(followed_codes, study)
    yield "animation", partial(animation, study)
    yield from plots(study, "latent_std")
    if any(study.has(f"label_counts{suffix}") for suffix in LABELLERS):
        yield "labels", partial(label_frequencies, study)
    yield "reconstructions", partial(reconstructions, study)
    if any(study.has(name) for name in MATRICES):
        yield "matrices", partial(matrices, study)
    if study.has("reconstruction"):
        yield "training", partial(training_curves, study)
        yield "final", partial(final_values, study)
    if study.has("latent_histogram"):
        yield "latent_histogram", partial(latent_histograms, study)
    yield from plots(study, *PLOTTED)


def _mean(study: Study, name: str) -> np.ndarray:
    """A metric of the first cell, averaged over the chains that have it, [generation, ...]."""
    values = study.array(name)[study.cells[0].chains, : study.last + 1]
    known = ~np.isnan(values)
    total, num = np.where(known, values, 0).sum(0), known.sum(0)
    return np.where(num > 0, total / np.maximum(num, 1), np.nan)


def _shown(study: Study, name: str) -> np.ndarray:
    """Generations with a curve of a metric: some of those recorded."""
    there = np.flatnonzero(recorded(_mean(study, name)[None]))
    return there[evenly(len(there), study.run.config.figures.curves)]


@styled
def label_frequencies(run: Run | Study) -> Figure:
    """Shares of the classes by generation, one panel per labeller."""
    study = as_study(run)
    suffixes = [suffix for suffix in ("_judge", "_first", "") if study.has(f"label_counts{suffix}")]
    words = class_names(study.run.manifest["data"]["name"])
    figure, axes = canvas(
        2.0 + 3.3 * len(suffixes), 3.6, columns=len(suffixes), sharey=True, sharex=True
    )
    generations = study.generations[: study.last + 1]
    for ax, suffix in zip(axes[0], suffixes, strict=True):
        counts = _mean(study, f"label_counts{suffix}")
        there = recorded(counts[None])
        counts = counts[there]
        shares = counts / counts.sum(1, keepdims=True)
        lower = np.zeros(len(shares))
        for k, colour in enumerate(_class_colours(shares.shape[1])):
            upper = lower + shares[:, k]
            style = {"color": colour, "linewidth": 0.3, "edgecolor": "white"}
            ax.fill_between(generations[there], lower, upper, **style)
            lower = upper
        ax.set_ylim(0, 1)
        ax.grid(False)
        generation_axis(ax, generations)
        ax.set_title(f"by {LABELLERS[suffix]}")
    axes[0, 0].set_ylabel("share of generated images")
    keys = [
        (overlay.line(colour, linewidth=6), name)
        for colour, name in zip(_class_colours(len(words)), words, strict=True)
    ]
    overlay.key_below(figure, keys)
    title(figure, "Labels of generated images", study.detail(cell=0))
    return figure


def _class_colours(num: int) -> list[Any]:
    import matplotlib

    colourful = matplotlib.colormaps["tab10" if num <= 10 else "tab20"]
    return [colourful(k % colourful.N) for k in range(num)]


@styled
def matrices(run: Run | Study) -> Figure:
    """Every generation's classifier on every generation's data: as published, and all of it.

    Model Ouroboros tries classifiers on their own and later data sets; the second panel has all.
    """
    study = as_study(run)
    names = [name for name in MATRICES if study.has(name)]
    figure, axes = canvas(7.4, 0.9 + 3.2 * len(names), rows=len(names), columns=2)
    for row, name in zip(axes, names, strict=True):
        square = _mean(study, name)[:, : study.last + 1]
        published = np.where(np.triu(np.ones_like(square, bool)), square, np.nan)
        top = 1.0 if "accuracy" in name else None
        for ax, values, what in ((row[0], published, "as published"), (row[1], square, "all")):
            high = top if top is not None else np.nanquantile(square, 0.98)
            picture = ax.imshow(
                values, cmap="viridis", vmin=0, vmax=high, interpolation="nearest", aspect="auto"
            )
            ax.set_xlabel("data of generation")
            ax.set_ylabel("classifier of generation")
            ax.grid(False)
            ax.set_title(what)
        figure.colorbar(picture, ax=row.tolist(), label=MATRICES[name], shrink=0.9)
    title(figure, "Classifiers on their own and other generations' data", study.detail(cell=0))
    return figure


@styled
def training_curves(run: Run | Study) -> Figure:
    """Losses by epoch, one line for each of some generations."""
    study = as_study(run)
    names = [
        name
        for name in ("reconstruction", "kl", "classifier_loss", "classifier_accuracy")
        if study.has(name)
    ]
    places = _shown(study, names[0])
    rows = -(-len(names) // 2)
    figure, axes = canvas(7.4, 0.9 + 2.6 * rows, rows=rows, columns=min(2, len(names)))
    for ax, name in zip(axes.ravel(), names, strict=False):
        values = _mean(study, name)
        epochs = np.arange(1, values.shape[1] + 1)
        for place, colour in zip(places, ramp(len(places)), strict=True):
            marker = "o" if np.isfinite(values[place]).sum() == 1 else None
            ax.plot(epochs, values[place], color=colour, linewidth=1.3, marker=marker, markersize=3)
        ax.set_xlabel("epoch")
        ax.locator_params(axis="x", integer=True)
        ax.set_ylabel(name_of(name).axis_label)
    keys = [
        (overlay.line(colour), f"generation {place:,}")
        for place, colour in zip(places, ramp(len(places)), strict=True)
    ]
    overlay.key_below(figure, keys)
    title(figure, "Training, generation by generation", study.detail(cell=0))
    return figure


@styled
def final_values(run: Run | Study) -> Figure:
    """The final values of each generation's training."""
    study = as_study(run)
    pairs = [("the autoencoder's loss", ("reconstruction", "kl"))]
    if study.has("classifier_loss"):
        pairs.append(("the classifier", ("classifier_loss", "classifier_accuracy")))
    figure, axes = canvas(7.4, 0.9 + 2.6 * len(pairs), rows=len(pairs), columns=2, sharex=True)
    generations = study.generations[: study.last + 1]
    for row, (_, names) in zip(axes, pairs, strict=True):
        for ax, name in zip(row, names, strict=True):
            values = study.array(name)[study.cells[0].chains, : study.last + 1]
            there = recorded(values)
            for line in _last_known(values[:, there]):
                ax.plot(
                    generations[there], line, color=MAIN, linewidth=1.3, marker="o", markersize=2.5
                )
            ax.set_ylabel(f"{name_of(name).axis_label}, last epoch")
            generation_axis(ax, generations)
    title(figure, "The last epoch of each generation", study.detail(cell=0))
    return figure


def _last_known(values: np.ndarray) -> np.ndarray:
    """The last finite number of every row, [..., epoch] to [...]."""
    known = np.isfinite(values)
    last = known.shape[-1] - 1 - known[..., ::-1].argmax(-1)
    return np.take_along_axis(values, last[..., None], -1)[..., 0]


@styled
def latent_histograms(run: Run | Study) -> Figure:
    """Densities of generation 0's codes of generated images, one line a generation."""
    study = as_study(run)
    densities = _mean(study, "latent_histogram")
    places = _shown(study, "latent_histogram")
    figure, axes = canvas(6.4, 4.1)
    ax = axes[0, 0]
    low, high, bins = CODE_EDGES
    edges = np.linspace(low, high, bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    for place, colour in zip(places, ramp(len(places)), strict=True):
        ax.plot(middles, densities[place], color=colour, linewidth=1.3)
    normal = np.exp(-(middles**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(middles, normal, color=colours(7)[6], linewidth=0.9, linestyle=overlay.DASHES)
    ax.set_xlabel("coordinate of a code")
    ax.set_ylabel("density")
    ax.set_ylim(0, None)
    beyond = np.nanmax(densities[:, [0, -1]].sum(1)) * (edges[1] - edges[0])
    if beyond > 0.005:
        note(ax, f"up to {100 * beyond:.1f}% lie beyond the edges")
    keys = [
        (overlay.line(colour), f"generation {place:,}")
        for place, colour in zip(places, ramp(len(places)), strict=True)
    ]
    keys.append((overlay.line(colours(7)[6], linestyle=overlay.DASHES), "the prior"))
    overlay.key_below(figure, keys)
    title(figure, "Generated images as generation 0 encodes them", study.detail(cell=0))
    return figure

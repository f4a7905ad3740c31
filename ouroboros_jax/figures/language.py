"""Language models: perplexity histograms over generations, diversity, the same prompt continued.

The histograms are those of Shumailov et al. (arXiv 2305.17493, figure 9; Nature 2024, figure 1):
the perplexity of each generation's texts under generation 0. Mass moves to low perplexity, and yet
the tail of improbable texts grows.
"""

import textwrap
from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import draw_band, evenly, recorded
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.style import (
    INK,
    MAIN,
    QUIET,
    canvas,
    generation_axis,
    log_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.figures.words import assign
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.results import Run

DIVERSITY = (  # panels: titles, metrics, and the words for each
    (
        "distinct n-grams / all",
        ("distinct_1", "distinct_2", "distinct_3", "distinct_4"),
        ("1", "2", "3", "4"),
    ),
    ("surviving vocabulary", ("vocabulary_survival",), ("",)),
    ("entropy of tokens (nat)", ("token_entropy",), ("",)),
    ("effective vocabulary (tokens)", ("effective_vocabulary",), ("",)),
    ("repeated 4-grams / all", ("repetition",), ("",)),
    ("self-BLEU", ("self_bleu",), ("",)),
)
MAX_COLUMNS, MAX_LINES, NUM_BINS = 4, 6, 40
SHOWN_PROMPTS, WRAP = 2, 92


def language_figures(study: Study) -> Iterator[Choice]:
    """The figures of language models, in order of interest."""
    if study.learners == {"ngram"}:
        yield from plots(study, "surviving_share")
    yield from plots(study, "test_perplexity")
    if study.has("sequence_perplexity"):
        yield "perplexity_histograms", partial(perplexity_histograms, study)
    if len(_panels(study)) > 1:
        yield "diversity", partial(diversity, study)
    yield from plots(study, "vocabulary_survival")
    if study.has("continuation"):
        yield "continuations", partial(continuations, study)
    yield from plots(study, "token_entropy")


@styled
def perplexity_histograms(run: Run | Study) -> Figure:
    """How likely generation 0 finds the texts of each generation: densities of log perplexity.

    One panel for each of the first few cells of a sweep, all chains together, with quartiles of
    each generation below the curves.
    """
    study = as_study(run)
    values = study.array("sequence_perplexity")
    there = np.flatnonzero(recorded(values[:, : study.last + 1]))
    generations = there[evenly(len(there), MAX_LINES)]
    cells = study.cells[:MAX_COLUMNS]
    known = np.log(values[np.isfinite(values) & (values > 0)])
    edges = np.linspace(*np.quantile(known, (0.001, 0.999)), NUM_BINS + 1)
    figure, axes = canvas(
        1.4 + max(2.8, 5.4 / len(cells)) * len(cells),
        3.9,
        columns=len(cells),
        sharex=True,
        sharey=True,
    )
    palette = ramp(len(generations))
    for ax, cell in zip(axes[0], cells, strict=True):
        for generation, colour in zip(generations, palette, strict=True):
            here = np.log(values[cell.chains, generation].reshape(-1))
            here = here[np.isfinite(here)]
            width = np.diff(edges)[0]
            density = np.histogram(here, edges)[0] / (len(here) * width)
            smooth = np.convolve(density, (0.25, 0.5, 0.25), mode="same")
            ax.plot(np.exp(edges[:-1] + width / 2), smooth, color=colour, linewidth=1.4)
            middle = np.exp(np.median(here))
            ax.axvline(middle, ymax=0.035, color=colour, linewidth=2.2)
        log_axis(ax, "x")
        ax.set_ylim(0, None)
        ax.set_xlabel("perplexity of a generated text under generation 0")
        if study.factors:
            words = [
                assign(f.path, f.labels[i]) for f, i in zip(study.factors, cell.place, strict=True)
            ]
            ax.set_title(", ".join(words))
    axes[0, 0].set_ylabel("density of log perplexity")
    handles = [
        (overlay.line(colour), f"generation {generation}")
        for generation, colour in zip(generations, palette, strict=True)
    ]
    overlay.key_below(figure, handles)
    texts = values.shape[2] * len(cells[0].chains)
    title(
        figure,
        "Perplexity of generated texts under generation 0",
        study.detail(held=f"{texts:,} texts a generation, ticks: medians"),
    )
    return figure


def _panels(study: Study) -> list[tuple[str, list[tuple[str, str]]]]:
    """The panels of `diversity` that a run has: name, and metrics with their words."""
    return [
        (name, shown)
        for name, metrics, words in DIVERSITY
        if (shown := [pair for pair in zip(metrics, words, strict=True) if study.has(pair[0])])
    ]


@styled
def diversity(run: Run | Study) -> Figure:
    """Six measures of the diversity of generated text, against generation."""
    study = as_study(run)
    panels = _panels(study)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = canvas(
        max(4.6, 2.87 * columns), 0.9 + 2 * rows, rows=rows, columns=columns, sharex=True
    )
    factor = study.factors[0] if study.factors else None
    for ax in axes.reshape(-1)[len(panels) :]:
        ax.set_visible(False)
    for place, (name, shown) in enumerate(panels):
        ax = axes.reshape(-1)[place]
        palette = ramp(len(shown)) if len(shown) > 1 else [MAIN]
        for (metric, word), colour in zip(shown, palette, strict=False):
            values = study.array(metric)[study.cells[0].chains]
            middle = draw_band(ax, study.generations, values, colour, alpha=0.15)
            if word:
                ax.annotate(
                    word,
                    (study.generations[-1], middle[-1]),
                    xytext=(4, 0),
                    textcoords="offset points",
                    color=colour,
                    fontsize=7.5,
                    va="center",
                )
        ax.set_title(name)
        if name_of(shown[0][0]).scale == "linear" and name != "entropy of tokens (nat)":
            ax.set_ylim(0, None)
        is_lowest = place + columns >= len(panels)
        generation_axis(ax, study.generations, label=is_lowest)
        ax.tick_params(labelbottom=is_lowest)
    held = f"shown: {assign(factor.path, factor.labels[0])}" if factor else ""
    title(figure, "Diversity of generated text", study.detail(held=held))
    return figure


@styled
def continuations(run: Run | Study) -> Figure:
    """The same held-out prompts as continued by each generation of the first chain."""
    study = as_study(run)
    tokens = np.asarray(study.metrics["continuation"].values)[study.cells[0].chains[0]]
    decode = study.run.decoder(int(study.cells[0].chains[0]))
    half = tokens.shape[-1] // 2
    generations = evenly(study.last + 1, MAX_LINES)
    lines: list[tuple[str, str, str]] = []  # label, text, colour
    for prompt in range(min(SHOWN_PROMPTS, tokens.shape[1])):
        rows = [("prompt", tokens[0, prompt, :half], QUIET)]
        rows += [(str(g), tokens[g, prompt, half:], INK) for g in generations]
        for label, row, colour in rows:
            text = plain(decode(row.astype(np.int64)))
            for i, part in enumerate(textwrap.wrap(text, WRAP) or [""]):
                lines.append((label if i == 0 else "", part, colour))
        lines.append(("", "", INK))
    height = 0.8 + 0.155 * len(lines)
    figure, axes = canvas(8.2, height)
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    for place, (label, part, colour) in enumerate(lines):
        ax.text(0.0, place, label, fontsize=7, color=MAIN, va="center", fontweight="bold")
        ax.text(
            0.075,
            place,
            part,
            fontsize=6.6,
            color=colour,
            va="center",
            family="monospace",
            parse_math=False,
        )
    title(figure, "The same prompts continued by each generation", study.detail())
    return figure


def plain(text: str) -> str:
    """Text on one line, without characters that cannot be drawn."""
    text = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)

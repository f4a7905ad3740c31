"""The pictures of language models show what the metrics say, of runs made of NumPy alone."""

import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax import figures
from ouroboros_jax.figures import language
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.sweep import expand

CHAINS, GENERATIONS, TEXTS = 3, 4, 50
DROPS = ("distinct_1", "distinct_2", "distinct_3", "distinct_4", "vocabulary_survival")
OTHERS = ("token_entropy", "effective_vocabulary", "repetition", "self_bleu", "test_perplexity")


class FakeRun:
    """A run whose texts grow likelier and whose tail grows longer."""

    workdir = None

    def __init__(self, overrides=()):
        import xarray as xr

        rng = np.random.default_rng(0)
        changes = {"chains": CHAINS, "generations": GENERATIONS} | dict(overrides)
        self.config = oj.load_config("lm", changes)
        self.groups = expand(self.config)
        self.points = [group.point for group in self.groups]
        self.manifest = {"data": {"name": "pydoc"}}
        chains = sum(group.num_chains for group in self.groups)
        fall = 0.8 ** np.arange(GENERATIONS + 1)[None]
        shape = (chains, GENERATIONS + 1)
        noise = 1 + 0.05 * rng.random(shape)
        found = {name: fall * noise for name in DROPS} | {name: noise / fall for name in OTHERS}
        spread = (
            0.3
            * rng.standard_normal((*shape, TEXTS))
            * (1 + np.arange(GENERATIONS + 1))[None, :, None]
        )
        found["sequence_perplexity"] = np.exp(4 * fall[..., None] + spread)
        found["continuation"] = rng.integers(32, 127, (*shape, 4, 16))
        found["status"] = np.zeros(shape, np.int8)
        dims = {"sequence_perplexity": ("sequence",), "continuation": ("prompt", "token")}
        coords = {"generation": np.arange(GENERATIONS + 1)}
        for path in self.groups[0].coords:
            values = [value for group in self.groups for value in group.coords[path]]
            coords[path] = ("chain", values)
        self.metrics = xr.Dataset(
            {
                name: (("chain", "generation", *dims.get(name, ())), values)
                for name, values in found.items()
            },
            coords,
        )

    def decoder(self, chain=0):
        return lambda tokens: "".join(map(chr, tokens)) + "\x00 $x_1$\n"


@pytest.fixture(scope="module")
def run():
    return FakeRun()


def test_which_figures_there_are(run):
    names = list(figures.figures_of(run))
    assert names[:3] == ["test_perplexity", "perplexity_histograms", "diversity"]
    assert {"vocabulary_survival", "continuations", "token_entropy"} <= set(names)
    for make in figures.figures_of(run).values():
        figures.style.png(make())


def test_histograms_are_densities_that_move(run):
    figure = language.perplexity_histograms(run)
    ax = figure.axes[0]
    curves = [line for line in ax.lines if len(line.get_xdata()) == language.NUM_BINS]
    assert len(curves) == GENERATIONS + 1
    peaks = []
    for line in curves:
        x, y = np.log(line.get_xdata()), line.get_ydata()
        assert (y.sum() * (x[1] - x[0])) == pytest.approx(1, abs=0.05)
        peaks.append(np.sum(x * y) / y.sum())
    assert (np.diff(peaks) < 0).all()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [f"generation {g}" for g in range(GENERATIONS + 1)]


def test_histograms_of_a_sweep_have_a_panel_each():
    run = FakeRun({"sweep": {"sampler.temperature": [0.7, 1.0]}})
    figure = language.perplexity_histograms(run)
    panels = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_title(loc="left") for ax in panels] == ["temperature = 0.7", "temperature = 1"]


def test_diversity_has_a_panel_for_each_measure(run):
    figure = language.diversity(run)
    panels = [ax for ax in figure.axes if ax.lines]
    assert len(panels) == 6
    assert len(panels[0].lines) == 4 and panels[0].texts[0].get_text() == "1"
    medians = panels[1].lines[0].get_ydata()
    expected = np.median(run.metrics["vocabulary_survival"].values, 0)
    np.testing.assert_allclose(medians, expected)


def test_continuations_are_shown_as_they_are(run):
    figure = language.continuations(run)
    written = [text.get_text() for text in figure.axes[0].texts]
    tokens = run.metrics["continuation"].values[0, 2, 0, 8:]
    text = language.plain("".join(map(chr, tokens)) + "\x00 $x_1$\n")
    assert any(text in line for line in written)
    assert "\N{REPLACEMENT CHARACTER}" in text and "prompt" in written


def test_every_metric_has_a_name_of_its_own(run):
    for metric in run.metrics.data_vars:
        assert name_of(metric).long_name != metric.replace("_", " "), metric

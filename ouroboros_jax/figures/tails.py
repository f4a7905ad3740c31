"""First against last generation, and percentiles of |x|: the tails go first."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.special import ndtr

from ouroboros_jax.figures import overlay
from ouroboros_jax.figures.bands import band_words, draw_band, evenly, last, recorded
from ouroboros_jax.figures.evolution import span_of
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import (
    MAIN,
    TRUTH,
    canvas,
    end_labels,
    from_zero,
    generation_axis,
    ramp,
    styled,
    title,
)
from ouroboros_jax.results import Run

POINTS = 4000  # points drawn from each generation
MOST_PLACES = 160  # most points along a line
PERCENTILES = (95, 97, 99)


@styled
def first_and_last(run: Run | Study) -> Figure:
    """Samples of the first and last generation, and percentiles of each component: of the
    distance from its mean at generation 0."""
    study = as_study(run)
    cell = study.cells[0]
    means, stds = component_moments(study)
    count = 0
    if means is not None:  # groups may have fewer components than the array
        count = min(3, int(np.isfinite(means[cell.chains]).any((0, 1)).sum()))
    figure, axes = canvas(
        max(5.6, 3.4 + 2.5 * count), 3.7, columns=1 + count, width_ratios=[1.35] + [1] * count
    )
    num_features = _histograms(axes[0, 0], study, int(cell.chains[0]))
    entries = [
        (Patch(color=TRUTH, alpha=0.45), "generation 0"),
        (Patch(color=MAIN, alpha=0.45), f"generation {study.last:,}"),
    ][: 2 if study.last else 1]
    if means is not None:
        x = r"$|x_1 - \mu_0|$" if num_features > 1 else r"$|x - \mu_0|$"
        some = cell.chains[:200]
        for k in range(count):
            ax = axes[0, 1 + k]
            whose = f"component {k + 1}: " if count > 1 else ""
            ax.set_title(f"{whose}percentiles of {x}")
            about = means[some][..., k] - means[some][:, :1, k]
            _percentiles(ax, study.generations, about, stds[some][..., k])
        band = f"{band_words(len(some))}, for {PERCENTILES[-1]}%"
        entries += overlay.band_keys(chains=len(some), band=band)
    overlay.key_below(figure, entries)
    held = study.held(0, but=())
    title(figure, "First against last, and what becomes of the tails", study.detail(held=held))
    return figure


def _histograms(ax: Axes, study: Study, chain: int) -> int:
    """The first feature of what a chain's first and last models draw, and how many there are."""
    end = study.last
    first, final = (
        np.asarray(
            study.run.sample(generation=g, chain=chain, num_samples=POINTS, seed=g), np.float64
        ).reshape(POINTS, -1)
        for g in (0, end)
    )
    both = [v[:, 0][np.isfinite(v[:, 0])] for v in (first, final)]
    low, high = span_of(both, None, None, 0)
    edges = np.linspace(low, high, 61)
    for values, colour, text in zip(both, (TRUTH, MAIN), (0, end), strict=True):
        shares = np.histogram(values, edges)[0] / max(1, len(values))
        ax.stairs(shares, edges, fill=True, color=colour, alpha=0.45, label=f"generation {text:,}")
        ax.stairs(shares, edges, color=colour, linewidth=1.0)
    ax.set_xlabel("feature 1" if first.shape[1] > 1 else "x")
    ax.set_ylabel("share of samples")
    ax.set_ylim(bottom=0)
    ax.set_title(f"first against last generation, chain {chain}")
    return first.shape[1]


def _percentiles(ax: Axes, generations: np.ndarray, means: np.ndarray, stds: np.ndarray) -> None:
    """Percentiles of |x| of one component, [C, G], the outermost with its band over chains."""
    there = np.flatnonzero(recorded(means))
    places = there[evenly(len(there), MOST_PLACES)]
    ends = []
    levels = [p / 100 for p in PERCENTILES]
    values = folded_percentiles(means[:, places], stds[:, places], levels)
    for p, block, colour in zip(PERCENTILES, values, ramp(len(PERCENTILES)), strict=True):
        alpha = 0.17 if p == PERCENTILES[-1] else 0.0
        middle = draw_band(ax, generations[places], block, colour, alpha=alpha)
        ends.append((last(middle), f"{p}%", colour))
    generation_axis(ax, generations)
    from_zero(ax)
    end_labels(ax, ends)


def component_moments(study: Study) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Means and standard deviations of the components' first feature, (chain, generation, K)."""
    if study.has("component_mean") and study.has("component_std"):
        both = [study.array(f"component_{which}") for which in ("mean", "std")]
        return tuple(a[..., 0] if a.ndim == 4 else a for a in both)
    if study.has("mean") and study.has("variance") and study.metrics["mean"].shape[2:] == (1,):
        return study.array("mean"), np.sqrt(study.array("variance"))[..., None]
    return None, None


def folded_percentiles(mean: np.ndarray, std: np.ndarray, levels: list[float]) -> list[np.ndarray]:
    """Quantiles of |x| for x normal, by bisection; arrays of the shape of `mean`."""
    mean = np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = mean / std
        found = []
        for level in levels:
            low, high = np.zeros_like(mean), scaled + 4.0
            for _ in range(30):
                middle = (low + high) / 2
                below = ndtr(middle - scaled) - ndtr(-middle - scaled) < level
                low, high = np.where(below, middle, low), np.where(below, high, middle)
            value = np.where(scaled < 1e6, high * std, mean)
            found.append(np.where(np.isfinite(mean) & np.isfinite(std), value, np.nan))
    return found

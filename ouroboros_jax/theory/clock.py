"""Generations, sizes and schedules: how every function of this package reads its arguments.

The literature counts fits: k = 1 is the fit to real data. Here `generation` counts fits to
generated data, so k = generation + 1 everywhere. A size or setting is a number, a list (the value
at each generation, the last repeats), or a schedule: its text or any object with
`at(generations) -> array`.
"""

import numpy as np

from ouroboros_jax.schedule import count_share, parse, round_half_up

ESTIMATORS = ("mle", "unbiased")

PLAIN = {"regime.kept": False, "regime.real_of": "original"}  # if a regime has such settings


def uses_plain_points(point) -> bool:
    """Whether all points are drawn anew, real ones from the truth, as the laws of `window` and
    `fresh` require."""
    return all(point.get(path, plain) == plain for path, plain in PLAIN.items())


def values_at(x, generations) -> np.ndarray:
    """Values at `generations`, float64 of the same shape, of anything `schedule.parse` reads."""
    schedule = x if callable(getattr(x, "at", None)) else parse(x)
    return np.array(schedule.at(np.asarray(generations)), np.float64)


def as_generations(generation) -> np.ndarray:
    """`generation` as an integer array, checked to be 0 or more."""
    generation = np.asarray(generation)
    if not np.issubdtype(generation.dtype, np.integer):
        raise ValueError(f"generation must be integers, got {generation.dtype}")
    if generation.size and generation.min() < 0:
        raise ValueError(f"generation must be 0 or more, got {generation.min()}")
    return generation


def generations_up_to(generation) -> np.ndarray:
    """0, 1, ... up to the largest of `generation`."""
    return np.arange(int(np.max(generation, initial=0)) + 1)


def counts_of(num_samples, generation, num_real=None) -> np.ndarray:
    """Points of each fit up to the largest generation, float64 `[max + 1]`, rounded half up."""
    counts = round_half_up(values_at(num_samples, generations_up_to(generation))).astype(np.float64)
    if num_real is not None:
        counts[0] = num_real
    return counts


def sizes_of(num_samples, generation, num_real=None) -> np.ndarray:
    """`counts_of`, checked to be 2 or more: one point has no variance.

    `num_real` is the size of the fit to real data; None: `num_samples` at generation 0.
    """
    counts = counts_of(num_samples, generation, num_real)
    if counts.min() < 2:
        raise ValueError(f"num_samples must be 2 or more, got {counts.min():g}")
    return counts


def biases_of(bias, generation) -> np.ndarray:
    """MAD's bias of the draw before each fit, `[max + 1]`; real data (generation 0) has none."""
    biases = values_at(bias, generations_up_to(generation))
    biases[0] = 1.0
    return biases


def divisor_of(sizes, estimator: str) -> np.ndarray:
    """The divisor of the sum of squares: n, or n - 1 for the unbiased estimator."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
    sizes = np.asarray(sizes, np.float64)
    if estimator == "mle":
        return sizes
    if sizes.min() < 2:
        raise ValueError(f"an unbiased variance needs 2 points or more, got {sizes.min():g}")
    return sizes - 1


def split_counts(num_samples, real_fraction, generation) -> tuple[np.ndarray, np.ndarray]:
    """Real and synthetic points of each generation up to the largest of `generation`, float64.

    The real share is rounded half up; entry 0 belongs to the fit to real data and is all real.
    """
    total = sizes_of(num_samples, generation)
    fraction = values_at(real_fraction, generations_up_to(generation))
    real = np.asarray(count_share(fraction, total), np.float64)
    real[0] = total[0]
    return real, total - real

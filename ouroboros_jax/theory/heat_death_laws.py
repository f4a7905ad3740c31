"""Which closed forms hold for a run of the heat-death learner, from its settings."""

from typing import Any

import numpy as np
from scipy.special import entr

from ouroboros_jax.schedule import count_share
from ouroboros_jax.settings.regimes import KEEPING_ALL, WITH_FRESH
from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.clock import as_generations, counts_of, generations_up_to, values_at
from ouroboros_jax.theory.law import Law

SOURCE = "Marchi et al. 2024, closed loop at temperature T; exact form derived here"
KNOWN = ("replace", "fresh", "accumulate", "accumulate_fresh")


def heat_death_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws that hold for a run's point, by metric name.

    Premises: data `outcomes` with the same start for all chains. For the map: regime `replace` at
    any constant temperature, p_0^((1/T)^g); or `fresh` at T = 1, h + (1 - a)^g (p_0 - h). For
    counts: T = 1 and a start of whole counts; only the mean heterozygosity has a law.

    Args:
      point: flat resolved settings; a value is a number, a list, or a schedule.
      generations: int `[G]`, 0 being the start.
    """
    generations = as_generations(generations)
    regime, dynamics = point["regime.name"], point["learner.dynamics"]
    premises = (
        point["data.name"] == "outcomes"
        and regime in KNOWN
        and generations.size
        and point["data.concentration"] == 0
    )
    if not premises:
        return {}
    every = generations_up_to(generations)
    temperature = values_at(point["sampler.temperature"], every)
    if dynamics == "counts":
        return _of_counts(point, generations) if (temperature == 1).all() else {}
    if dynamics != "map" or np.ptp(temperature[1:] if len(every) > 1 else 0):
        return {}
    found = PATHS[regime](point, generations, temperature[-1]) if regime in PATHS else None
    if found is None:
        return {}
    path, label = found
    values = {
        "max_probability": path.max(-1),
        "deviation": np.abs(path - 1 / path.shape[-1]).max(-1),
        "heterozygosity": 1 - np.square(path).sum(-1),
        "entropy": entr(path).sum(-1),
    }
    return {name: Law(label, SOURCE, value) for name, value in values.items()}


def _sharpened(point, generations, temperature):
    start = law_of(point, "data.start")
    return heat_death.sharpened(generations, start, temperature), "p_0^((1/T)^g)"


def _mixed(point, generations, temperature):
    share = point["regime.real_fraction"]
    if temperature != 1 or not isinstance(share, int | float):
        return None
    start, external = law_of(point, "data.start"), law_of(point, "data.external")
    kept = (1 - _exact_share(share, point)) ** generations[:, None]
    return external[None] + kept * (start - external)[None], "h + (1 - a)^g (p_0 - h)"


# The map's probabilities [G, K] by regime, and the law's label; None if not known.
PATHS = {"replace": _sharpened, "fresh": _mixed}


def law_of(point: dict[str, Any], path: str) -> np.ndarray:
    """The probabilities `[K]` that `data.start` or `data.external` denotes."""
    num, value = int(point["data.num_outcomes"]), point[path]
    if not isinstance(value, str):
        return np.array(value, np.float64) / sum(value)
    if value == "external":
        return law_of(point, "data.external")
    if value == "corner":
        corner = float(point["data.corner"])
        return np.array([corner] + [(1 - corner) / (num - 1)] * (num - 1))
    return np.full(num, 1 / num)


def _exact_share(share: float, point: dict[str, Any]) -> float:
    """The share after rounding to whole points."""
    num = point["num_samples"]
    return float(count_share(share, num)) / num if isinstance(num, int | float) else share


def _of_counts(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    regime, num_samples = point["regime.name"], point["num_samples"]
    num_real = point["data.num_samples"]
    counts = counts_of(num_samples, generations)
    initial = float(counts[0] if num_real is None else num_real)
    start, external = law_of(point, "data.start"), law_of(point, "data.external")
    if np.abs(start * initial - np.round(start * initial)).max() > 1e-6:
        return {}  # rounding to whole counts changes the start
    real = np.zeros_like(counts)
    if regime in WITH_FRESH:
        share = values_at(point["regime.real_fraction"], generations_up_to(generations))
        real = np.asarray(count_share(share, counts), np.float64)
    kept = initial if regime in KEEPING_ALL else 0
    squares = heat_death.expected_probabilities(
        generations, start, external, counts - real, real, kept=kept
    )[1]
    plain = not real.any() and np.ptp(counts) == 0
    label = {
        ("replace", True): "H_0 (1 - 1/n)^g",
        ("accumulate", True): "H_0 prod_j [1 - n / (N_0 + j n)^2]",
    }.get((regime, plain), f"exact mean, {regime.replace('_', ' ')}")
    return {"heterozygosity": Law(label, SOURCE, 1 - squares)}

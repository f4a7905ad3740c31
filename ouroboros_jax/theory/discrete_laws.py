"""Which closed forms hold for a run of the categorical or the Poisson learner."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr

from ouroboros_jax.data.vocabulary import PROBABILITIES, rarest
from ouroboros_jax.schedule import count_share
from ouroboros_jax.settings.regimes import FROM_LAST, KEEPING_REAL, WEIGHTED, WITH_SHARE
from ouroboros_jax.theory import discrete, poisson, recursion, wright_fisher
from ouroboros_jax.theory.clock import (
    as_generations,
    counts_of,
    generations_up_to,
    uses_plain_points,
    values_at,
)
from ouroboros_jax.theory.law import Law

SOURCES = {
    "replace": "Seddik et al. 2024, Thm 1",
    "accumulate": "Gerstgrasser et al. 2024; Kazdan et al. 2024; exact form derived here",
    "accumulate_fresh": "Marchi et al. 2024, urn with external data; exact form derived here",
    "accumulate_subsample": "Kazdan et al. 2024; exact recursion derived here",
    "window": "covariance recursion of redrawn regimes, derived here",
    "fresh": "Alemohammad et al. 2023, fresh data loop; exact recursion derived here",
    "fixed_real": "Seddik et al. 2024, Thm 2",
    "weighted": "He, Xu and Cheng 2025; exact recursion derived here",
}
REDRAWING = tuple(name for name in FROM_LAST if name not in WEIGHTED)
LABELS = {"replace": "H_0 (1 - 1/n)^(g+1)", "accumulate": "H_0 prod_j [1 - 1/(n j^2)]"}
CHAIN = "exact Wright-Fisher chain", "Suresh et al. 2024; Wright-Fisher model"
POISSON_SOURCES = {"replace": "Suresh et al. 2024, Thm 2"}
ALIVE_LABELS = {"replace": "exact survival of a Poisson chain"}
MARTINGALE = "constant (martingale)"
# Relative standard errors up to which a mean over chains is near enough to Gaussian to be tested.
MEAN_LIMIT, SHARE_LIMIT = 0.05, 0.3
CERTAIN_SHARE = 0.99  # above this share too few chains differ for a z-score
MOST_WORK = 5e9  # products that one call may take
NEUTRAL = {"sampler.temperature": 1.0, "learner.smoothing": 0.0}


class _Plan(NamedTuple):
    """Sizes of a run up to its last generation."""

    sizes: np.ndarray  # [G + 1], points that each generation draws, entry 0 the real data set
    real: np.ndarray  # [G + 1], how many of them are real; entry 0 is all
    is_plain: bool  # equal sizes and equal shares from generation 1 on

    @property
    def num_samples(self) -> int:
        return int(self.sizes[-1])

    @property
    def num_real(self) -> int:
        return int(self.sizes[0])

    @property
    def seen(self) -> np.ndarray:
        """Real points up to each generation, if they are kept."""
        return np.cumsum(self.real)


def _premises(point: dict[str, Any], generations: np.ndarray) -> _Plan | None:
    regime = point["regime.name"]
    every = generations_up_to(generations)
    if (
        regime not in SOURCES
        or not generations.size
        or not uses_plain_points(point)
        or any(
            (values_at(point[path], every) != one).any()
            for path, one in NEUTRAL.items()
            if path in point
        )
    ):
        return None
    sizes = counts_of(point["num_samples"], generations, point["data.num_samples"])
    if sizes.min() < 2:
        return None
    real = np.zeros_like(sizes)
    if regime in WITH_SHARE:
        real = np.asarray(
            count_share(values_at(point["regime.real_fraction"], every), sizes), float
        )
    real[0] = sizes[0]
    is_plain = len(sizes) < 2 or not (np.ptp(sizes[1:]) or np.ptp(real[1:]))
    return _Plan(sizes, real, is_plain)


def categorical_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws that hold for a run's point, by metric name.

    Premises: data whose probabilities are known; a regime of the registry, `window` with redrawn
    points only; temperature 1 and no smoothing; 2 points or more in every fit. Survival needs real
    points that are kept, or `replace` and `fresh` of equal sizes; entropy and fixation need
    `replace` of equal sizes below `wright_fisher.LARGEST`.

    Args:
      point: flat resolved settings; a value is a number, a list, or a schedule.
      generations: int `[G]`, 0 being the fit to real data.
    """
    generations = as_generations(generations)
    plan = _premises(point, generations)
    if plan is None or point["data.name"] not in PROBABILITIES:
        return {}
    p = PROBABILITIES[point["data.name"]](point)
    if (p > 0).sum() < 2:
        return {}
    regime = point["regime.name"]
    settings = discrete.RETAINED[regime].settings
    retained = discrete.retained_heterozygosity(
        generations,
        point["num_samples"],
        regime,
        num_real=point["data.num_samples"],
        **{name: point[f"regime.{name}"] for name in settings},
    )
    is_equal = plan.is_plain and plan.sizes[0] == plan.sizes[-1]
    label = LABELS.get(regime) if is_equal else None
    label = label or f"exact mean, {regime.replace('_', ' ')}"
    start, rare = discrete.initial_heterozygosity(p), rarest(p)
    constant = np.full(generations.shape, p[rare].sum())
    found = {
        "heterozygosity": Law(
            label, SOURCES[regime], start * retained, max_relative_error=MEAN_LIMIT
        ),
        "rare_mass": Law(MARTINGALE, SOURCES[regime], constant, max_relative_error=MEAN_LIMIT),
    }
    return (
        found
        | _survival_laws(regime, plan, p, rare, generations)
        | _chain_laws(regime, plan, p, generations)
    )


def _survival_laws(regime, plan: _Plan, p, rare, generations) -> dict[str, Law]:
    """Expected survivors: all of them, their mass, and those of the truth's rarest symbols."""
    distinct, place = np.unique(p[p > 0], return_inverse=True)
    survival = _survival(regime, plan, distinct, generations)
    if survival is None:
        return {}
    label = "real points seen so far" if regime in KEEPING_REAL else CHAIN[0]
    sums = {
        "surviving": np.ones_like(p),
        "surviving_mass": p,
        "rare_surviving": rare.astype(float),
    }
    return {
        name: Law(
            label,
            CHAIN[1],
            survival @ np.bincount(place, weight[p > 0]),
            max_relative_error=MEAN_LIMIT,
        )
        for name, weight in sums.items()
    }


def _survival(regime, plan: _Plan, p, generations) -> np.ndarray | None:
    """Pr(symbol survives) `[G, V]`, None if there is no exact form or it costs too much."""
    if regime in KEEPING_REAL:
        return discrete.seen_symbols(plan.seen[generations], p)
    if regime not in REDRAWING or not plan.is_plain:
        return None
    last, n, first = int(generations.max()), plan.num_samples, plan.num_real
    if not plan.real[1:].any():
        states = wright_fisher.uncertain_counts(last, n, first)
        if states > wright_fisher.LARGEST or states**2 * last > MOST_WORK:
            return None
        return wright_fisher.survival(generations, n, p, num_real=first)
    if max(n, first) >= wright_fisher.LARGEST or len(p) * n * n * last > MOST_WORK:
        return None
    fresh = int(plan.real[-1])
    return wright_fisher.survival_with_real(generations, n, fresh, p, num_real=first)


def _chain_laws(regime, plan: _Plan, p, generations) -> dict[str, Law]:
    """Laws of metrics that are functions of each symbol's count: entropy, divergence, fixation."""
    n, first, last = plan.num_samples, plan.num_real, int(generations.max())
    is_small = max(n, first) < wright_fisher.LARGEST and n * n * last <= MOST_WORK
    if regime != "replace" or not plan.is_plain or not is_small:
        return {}
    distinct, times = np.unique(p[p > 0], return_counts=True)

    def functions(shares):
        return np.stack([entr(shares), shares == 1], 1)

    means = wright_fisher.expected(generations, n, distinct, functions, num_real=first)
    entropy, fixated = np.einsum("gvf,v->fg", means, times)
    distance = np.maximum(entr(p).sum() - entropy, 0)
    return {
        "entropy": Law(*CHAIN, entropy, max_relative_error=MEAN_LIMIT),
        "kl_to_truth": Law(*CHAIN, distance, max_relative_error=MEAN_LIMIT),
        "is_fixated": Law(*CHAIN, fixated, _share_sd(fixated), max_relative_error=SHARE_LIMIT),
    }


def _share_sd(share: np.ndarray) -> np.ndarray:
    """Standard deviation of an indicator with this probability; NaN where nearly certain."""
    share = np.clip(share, 0, 1)
    return np.where(share > CERTAIN_SHARE, np.nan, np.sqrt(share * (1 - share)))


def poisson_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws that hold for a run's point, by metric name.

    Premises: data `counts`; a regime of the registry, `window` with redrawn points only. The mean
    rate is constant in all of them.
    """
    generations = as_generations(generations)
    plan = _premises(point, generations)
    if plan is None or point["data.name"] != "counts":
        return {}
    regime, rate = point["regime.name"], float(point["data.rate"])
    errors = _ERRORS[regime](point, generations, plan) if regime in _ERRORS else None
    derived = "Suresh et al. 2024, Thm 2; derived here for this regime"
    derived = POISSON_SOURCES.get(regime, derived)
    is_equal = plan.is_plain and plan.sizes[0] == plan.sizes[-1]
    spread = None if errors is None else np.sqrt(rate * errors[generations])
    constant = np.full(generations.shape, rate)
    found = {"rate": Law(MARTINGALE, derived, constant, spread, max_relative_error=MEAN_LIMIT)}
    if errors is not None:
        label = {"replace": "(g+1)/n", "accumulate": "sum_j 1/(n j^2)"}.get(regime)
        label = label if label and is_equal and rate == 1 else f"exact mean, {regime}"
        expected = rate * errors[generations]
        found["mean_squared_error"] = Law(label, derived, expected, max_relative_error=MEAN_LIMIT)
    alive = _alive(regime, plan, generations, rate)
    if alive is not None:
        label = ALIVE_LABELS.get(regime, "exact survival")
        found["is_alive"] = Law(
            label, derived, alive, _share_sd(alive), max_relative_error=SHARE_LIMIT
        )
    return found


def _alive(regime, plan: _Plan, generations, rate) -> np.ndarray | None:
    if regime in KEEPING_REAL:
        return poisson.kept_survival(generations, plan.num_real, rate, plan.real)
    if regime not in REDRAWING:
        return None
    share = plan.real / plan.sizes
    return poisson.survival(generations, list(plan.sizes), rate, real_share=list(share))


def _redrawn(counts: Callable[..., np.ndarray], *settings: str) -> Callable[..., np.ndarray]:
    """Errors if all points are redrawn, from a table for `recursion.py`."""

    def errors(point, generations, plan: _Plan):
        given = (point[f"regime.{name}"] for name in settings)
        table = counts(generations, point["num_samples"], *given, num_real=plan.num_real)
        return poisson.redrawn_error(table)

    return errors


def _weighted_error(point, generations, plan: _Plan):
    shares = point["regime.real_fraction"], point["regime.real_weight"]
    args = generations, point["num_samples"], *shares
    return poisson.redrawn_error(*recursion.weighted_counts(*args, num_real=plan.num_real))


_ERRORS: dict[str, Callable[..., np.ndarray]] = {  # Var(rate) / lambda of all generations
    "replace": _redrawn(recursion.replace_counts),
    "fresh": _redrawn(recursion.fresh_counts, "real_fraction"),
    "window": _redrawn(recursion.window_counts, "window"),
    "weighted": _weighted_error,
    "accumulate": lambda point, generations, plan: poisson.kept_error(plan.sizes),
    "accumulate_fresh": lambda point, generations, plan: poisson.kept_error(plan.sizes, plan.real),
    "fixed_real": lambda point, generations, plan: poisson.fixed_real_error(plan.sizes),
}

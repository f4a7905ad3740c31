"""Closed forms of model collapse, for loops that can be solved.

NumPy and SciPy in float64 on the host, pure functions of plain arguments; figures overlay them,
summaries quote them, tests compare the loop with them. Functions of time take `generation` (0 is
the fit to real data; the literature's count of fits is k = generation + 1), an int or array of
ints.

  gaussian      the one-dimensional `replace` loop: moments, logs, W2, KL
  multivariate  determinants and log-determinants; exact spread of the metrics in D dimensions
  tails         bounds on how long a chain survives
  recursion     the covariance recursion over any table of redrawn sources
  regimes       exact expectations under every regime, with limits and ratios
  weighted      the golden ratio
  ratios        error ratios of any asymptotically linear estimator: pi^2/6, pi^2/2 - 2
  regression    least squares on its own targets
  location      medians of normal points
  kde           kernel densities, which spread
  curation      K-way choice by a reward, verification of labels
  coevolution   the variance of classes that draws may miss
  truths        the laws of synthetic data, from settings
  discrete      symbols: heterozygosity in every regime, bounds on survival, urns
  wright_fisher the exact chain of one symbol's count: survival, absorption, fixation
  poisson       rates fitted to their own counts: survival and variance
  heat_death    the temperature-controlled loop: trajectories, thresholds, floors, exponents
  mixture       exact squared L2 between Gaussian mixtures
  clock         how all of these read generations, sizes and schedules
  law           a law beside data, and the z-score of chains
  laws          which of these hold for a run's settings; in `*_laws` for each learner
"""

from ouroboros_jax.theory import (
    coevolution,
    curation,
    discrete,
    gaussian,
    heat_death,
    kde,
    location,
    mixture,
    multivariate,
    poisson,
    ratios,
    recursion,
    regimes,
    regression,
    tails,
    truths,
    weighted,
    wright_fisher,
)
from ouroboros_jax.theory.laws import Law, ZScore, laws, z_score
from ouroboros_jax.theory.recursion import covariance_recursion
from ouroboros_jax.theory.tails import collapse_survival_bound
from ouroboros_jax.theory.weighted import golden_weight

__all__ = [
    "Law",
    "ZScore",
    "coevolution",
    "collapse_survival_bound",
    "covariance_recursion",
    "curation",
    "discrete",
    "gaussian",
    "golden_weight",
    "heat_death",
    "kde",
    "laws",
    "location",
    "mixture",
    "multivariate",
    "poisson",
    "ratios",
    "recursion",
    "regimes",
    "regression",
    "tails",
    "truths",
    "weighted",
    "wright_fisher",
    "z_score",
]

"""The effect of choosing among generated points, with infinite data: curation and verification.

*Curation*: one of K points drawn from the model is kept, with probability proportional to exp of
its reward. *Verification*: points with right labels are kept with probability phi, those with wrong
ones with probability psi. Distributions are over finitely many outcomes.

References:
  Ferbach et al., Self-Consuming Generative Models with Curated Data, 2024 (arXiv 2407.09499).
  Feng et al., Beyond Model Collapse: Scaling Up with Synthesized Data Requires Verification, 2024
    (arXiv 2406.07515); the threshold is derived here in this form.
"""

import itertools
import math

import numpy as np

MAX_TERMS = 1_000_000  # the most combinations of outcomes for an exact update


def curated(probabilities, rewards, choices: int) -> np.ndarray:
    """p H: the exact law of the draw kept out of `choices` = K draws from `probabilities`.

    H(x) = E[K e^r(x) / (e^r(x) + sum_{j < K} e^r(X_j))] over the K - 1 others, enumerated as counts
    of outcomes.

    Args:
      probabilities: [V], divided by their sum.
      rewards: [V], finite.
      choices: K, at least 1; K = 1 keeps what is drawn.

    Raises:
      ValueError: for more than a million combinations.
    """
    p, r = np.asarray(probabilities, np.float64), np.asarray(rewards, np.float64)
    p = p / p.sum()
    if choices < 1:
        raise ValueError(f"choices must be 1 or more, got {choices}")
    others = choices - 1
    if (num := math.comb(others + len(p) - 1, others)) > MAX_TERMS:
        raise ValueError(f"choices={choices} of {len(p)} outcomes are {num:,} combinations")
    worth = np.exp(r - r.max())
    gain = np.zeros(len(p))
    for drawn in itertools.combinations_with_replacement(range(len(p)), others):
        counts = np.bincount(np.array(drawn, np.int64), minlength=len(p))
        ways = math.factorial(others) / math.prod(map(math.factorial, counts.tolist()))
        chance = ways * np.prod(p**counts)
        gain += chance * choices * worth / (worth + counts @ worth)
    return p * gain


def curated_limit(probabilities, rewards) -> np.ndarray:
    """p e^r, normalised: the limit of `curated` for large K."""
    p, r = np.asarray(probabilities, np.float64), np.asarray(rewards, np.float64)
    tilted = p * np.exp(r - r.max())
    return tilted / tilted.sum()


def least_gain(probabilities, rewards, choices: int) -> float:
    """A lower bound of the gain in E[e^r] by one curation: (K-1)/K Var(e^r) / max e^r.

    Quoted from memory and supported by exact enumeration; not proved here.
    """
    p, worth = np.asarray(probabilities, np.float64), np.exp(np.asarray(rewards, np.float64))
    mean = p @ worth
    return float((choices - 1) / choices * (p @ (worth - mean) ** 2) / worth[p > 0].max())


def kept_error(error_rate, keep_right, keep_wrong):
    """Share of wrong labels among those kept: p psi / (p psi + (1 - p) phi)."""
    wrong = np.asarray(error_rate, np.float64) * keep_wrong
    return wrong / (wrong + (1 - np.asarray(error_rate, np.float64)) * keep_right)


def verification_threshold(keep_right, keep_wrong):
    """The error rate phi / (phi + psi) at which half the labels kept are wrong.

    Below it a linear classifier on a high-dimensional mixture of two Gaussians tends to perfect
    accuracy with infinite data, above it to none.
    """
    keep_right = np.asarray(keep_right, np.float64)
    return keep_right / (keep_right + keep_wrong)

"""The law of a run of unigram counts: the share of its vocabulary that survives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.theory import wright_fisher
from ouroboros_jax.theory.clock import as_generations
from ouroboros_jax.theory.law import Law

PREMISES = {
    "learner.order": 1,
    "learner.smoothing": 0,
    "sampler.temperature": 1,
    "regime.name": "replace",
}


def ngram_laws(point: Mapping[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """The law of `surviving` and `surviving_share`; see `laws.laws`.

    Generation 0 counts the whole training text, the same in every chain, and every count after it
    is a Wright-Fisher chain from there. If chains train on a part of the text, each starts
    differently, and there is no law.
    """
    if any(point[path] != value for path, value in PREMISES.items()):
        return {}
    if not isinstance(point["num_samples"], int):
        return {}
    from ouroboros_jax.programs.factories import make_real

    table = make_real(point).table
    if num_real_points(point) != len(table):
        return {}
    counts = np.bincount(table.reshape(-1))
    counts = counts[counts > 0]
    generations = as_generations(generations)
    try:
        share = _survival(generations, point["num_samples"] * table.shape[1], counts)
    except ValueError:  # too many generations for this number of tokens
        return {}
    source = "Wright-Fisher chain of each token; Suresh et al. 2024, Corollary 1"
    types = len(counts)
    return {
        "surviving_share": Law("exact chain of each token's count", source, share),
        "surviving": Law("exact chain of each token's count", source, share * types),
    }


def _survival(generations, num_tokens: int, counts) -> np.ndarray:
    """E[surviving share] from known counts [V] of generation 0, [G]."""
    counts, how_many = np.unique(counts, return_counts=True)  # equal counts have equal laws
    later = generations[generations > 0]
    share = np.ones(len(generations))
    if later.size:
        alive = wright_fisher.survival(later - 1, num_tokens, counts / counts.dot(how_many))
        share[generations > 0] = alive @ how_many / how_many.sum()
    return share

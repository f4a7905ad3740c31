"""The error of a generation over that of the fit to real data, whatever is estimated.

For estimators that are asymptotically linear, with inputs of one law throughout and many points a
generation, the ratio depends only on the regime: g + 1 if data are discarded, sums that converge to
pi^2/6 and pi^2/2 - 2 if they are kept. The sums are in `regimes.py`.

References:
  Gerstgrasser et al., Is Model Collapse Inevitable?, 2024 (arXiv 2404.01413).
  Dey and Donoho, Universality of the pi^2/6 Pathway, 2024 (arXiv 2410.22812).
The closed form of subsampling is derived here from the recursion of the latter's simulation.
"""

from collections.abc import Callable

import numpy as np

from ouroboros_jax.theory.regimes import (
    accumulate_ratio,
    accumulate_subsample_ratio,
    replace_ratio,
)

AUGMENT_LIMIT = float(np.pi**2 / 6)  # 1.64493
SUBSAMPLE_LIMIT = float(np.pi**2 / 2 - 2)  # 2.93480
RATIOS: dict[str, Callable] = {  # by regime, of a generation or an array of them
    "replace": replace_ratio,
    "accumulate": accumulate_ratio,
    "accumulate_subsample": accumulate_subsample_ratio,
}
LIMITS = {
    "replace": float("inf"),
    "accumulate": AUGMENT_LIMIT,
    "accumulate_subsample": SUBSAMPLE_LIMIT,
}


def error_ratio(regime: str, generation):
    """Error of `generation` over that of generation 0, many points a generation.

    Raises:
      ValueError: for a regime without such a ratio.
    """
    if regime not in RATIOS:
        raise ValueError(f"regime must be one of {', '.join(RATIOS)}, got {regime!r}")
    return RATIOS[regime](generation)

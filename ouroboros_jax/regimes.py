"""Data regimes as values: what generation g >= 1 trains on.

A regime is a small table. `sources` say where this generation's new points come from (the real
data, the model `lag` generations back, or the generation before, whose points are taken over),
`counts` how many points each source gives, exactly; `weights` the total weight of each (absent:
every point counts 1); `kept` which earlier data sets are trained on beside the new one; `subsample`
whether only `num_samples` of all these are trained on. `pools/` realises the table for any learner,
`theory/` reads the same semantics as covariance recursions.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Settings
from ouroboros_jax.errors import UserError, either, nearest

REAL = 0  # the real data; a positive source is a model's lag
PREVIOUS = -1  # the points that the generation before drew, in random order
KEPT = ("nothing", "real", "window", "all")


class Regime(NamedTuple):
    """What one generation trains on; see the module's docstring."""

    sources: tuple[int, ...]
    counts: Callable[[Settings, jax.Array], jax.Array]  # (settings, generation) -> int32 [S]
    weights: Callable[[Settings], jax.Array] | None = None  # settings -> float [S]
    kept: Literal["nothing", "real", "window", "all"] = "nothing"
    window: int = 1  # data sets trained on, the new one included, if `kept` is "window"
    subsample: bool = False

    def check(self) -> "Regime":
        """Return the regime, after checking that its parts are compatible.

        Raises:
          UserError: for an unknown `kept`; if a regime with total weights also keeps points, whose
            weights would then be meaningless.
        """
        if self.kept not in KEPT:
            raise UserError(
                f"a regime with kept={self.kept!r}: expected {either(map(repr, KEPT))}"
                f"{nearest(self.kept, KEPT)}"
            )
        if self.weights is not None and self.kept != "nothing":
            raise UserError(
                f"A regime with total weights cannot keep {self.kept!r}: expected kept='nothing'."
            )
        return self

    @property
    def lags(self) -> int:
        """How many models back the sources reach."""
        return max(1, *self.sources)


def _only(settings: Settings, generation: jax.Array) -> jax.Array:
    del generation
    return settings.num_samples[None]


def _real_and_synthetic(settings: Settings, generation: jax.Array) -> jax.Array:
    del generation
    return jnp.stack([settings.num_real, settings.num_samples - settings.num_real])


def replace() -> Regime:
    """Train each generation on `num_samples` points of the previous model alone."""
    return Regime(sources=(1,), counts=_only)


def accumulate() -> Regime:
    """Train on the real data set and on every set drawn so far, `num_samples` new points each.

    References:
      Gerstgrasser et al., Is Model Collapse Inevitable?, 2024 (arXiv 2404.01413).
    """
    return Regime(sources=(1,), counts=_only, kept="all")


def accumulate_fresh() -> Regime:
    """`accumulate`, with a share `real_fraction` of each generation's new points real ones.

    The urn with external data of Marchi et al., Heat Death of Generative Models in Closed-Loop
    Learning, 2024 (arXiv 2404.02325).
    """
    return Regime(sources=(REAL, 1), counts=_real_and_synthetic, kept="all")


def accumulate_subsample() -> Regime:
    """Train on `num_samples` points drawn without replacement from `accumulate`'s pool.

    References:
      Kazdan et al., Collapse or Thrive?, 2024 (arXiv 2410.16713).
    """
    return Regime(sources=(1,), counts=_only, kept="all", subsample=True)


def window(*, window: int = 3, kept: bool = False) -> Regime:
    """Train on the last `window` models' points, redrawn now, or as `kept` when they were drawn.

    Redrawn: `num_samples` points in all, split as evenly as whole points allow, newest model first;
    the truth counts as the model before generation 0, so while g < window one share is fresh real
    data (`theory/recursion.py`). Kept: the union of the last `window` data sets, each of
    `num_samples`, of which the real one was the first; it has no closed form.
    """
    if kept:
        return Regime(sources=(1,), counts=_only, kept="window", window=window)

    def counts(settings, generation):
        num = settings.num_samples
        models = jnp.minimum(generation + 1, window)  # including the truth while it is in reach
        edges = jnp.arange(window + 1, dtype=num.dtype)
        edges = jnp.minimum(edges, models)
        # Cumulative counts rounded half up: exact, and no count is off by more than one.
        whole, rest = num // models, num % models  # so that no product overflows int32
        totals = edges * whole + (2 * edges * rest + models) // (2 * models)
        split = jnp.diff(totals)
        in_reach = jnp.arange(window) < jnp.minimum(generation, window)
        by_model = jnp.where(in_reach, split, 0)
        return jnp.concatenate([by_model, (num - by_model.sum())[None]])

    return Regime(sources=(*range(1, window + 1), REAL), counts=counts)


def fresh(*, real_of: Literal["original", "previous"] = "original") -> Regime:
    """Train on a share `real_fraction` of new real data, the rest from the previous model.

    With `real_of="previous"` the share is taken over from the data set before, whatever that holds:
    real points become fewer as share^g. This is what the language-model code released with
    Shumailov et al. 2024 does; its paper says `original`.
    """
    first = {"original": REAL, "previous": PREVIOUS}[real_of]
    return Regime(sources=(first, 1), counts=_real_and_synthetic)


def fixed_real() -> Regime:
    """Train on generation 0's real data set, always kept, and `num_samples` synthetic points.

    References:
      Alemohammad et al., Self-Consuming Generative Models Go MAD, 2023 (arXiv 2307.01850),
      the synthetic augmentation loop; Seddik et al., 2024 (arXiv 2404.05090).
    """
    return Regime(sources=(1,), counts=_only, kept="real")


def weighted() -> Regime:
    """Train on fresh real points of total weight w and synthetic ones of total weight 1 - w.

    Variances are taken within each source. w is `real_weight`; its named value `golden` is the
    optimum (sqrt(k^2 + 4k) - k) / 2 at k real points to a synthetic one, 1 / phi at k = 1.

    References:
      He, Xu and Cheng, Golden Ratio Weighting Prevents Model Collapse, 2025 (arXiv 2502.18049).
    """

    def weights(settings):
        real = settings.regime["real_weight"]
        return jnp.stack([real, 1 - real])

    return Regime(sources=(REAL, 1), counts=_real_and_synthetic, weights=weights)

"""A start and an external law on a few outcomes: the real data of a heat-death loop.

Generation 0 is the start itself, and only later real points come from the external law h. A start
may be drawn for each chain from a Dirichlet law about a mean.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.data.base import RealData, law
from ouroboros_jax.draws.numbers import log_chi_square, unit_uniforms
from ouroboros_jax.draws.threefry import split


class External(NamedTuple):
    """The law h of real points from generation 1 on."""

    probabilities: jax.Array  # [K]


class Start(NamedTuple):
    """Where a chain begins: at its mean, or at a point drawn about it."""

    mean: jax.Array  # [K], sums to 1
    concentration: jax.Array  # [], of Dirichlet(concentration * mean); 0: the mean itself

    def draw(self, key: jax.Array) -> jax.Array:
        """Probabilities [K] of one chain's start."""
        alpha = self.concentration * self.mean
        log_gamma = log_chi_square(key, 2 * alpha)  # chi-square 2a is twice a gamma of shape a
        drawn = jax.nn.softmax(log_gamma)
        return jnp.where(self.concentration > 0, drawn, self.mean)


def outcomes(
    *,
    num_outcomes: int = 3,
    start: str | Sequence[float] = "uniform",
    external: str | Sequence[float] = "uniform",
) -> RealData:
    """Real data on K outcomes.

    Args:
      num_outcomes: K.
      start: `uniform`, `external`, `corner` (probability `data.corner` on the first outcome, the
        rest shared equally), or K probabilities or counts.
      external: `uniform` or K probabilities.
    """
    h = _law_of(external, num_outcomes)
    uniform = np.full(num_outcomes, 1 / num_outcomes)

    def as_floats(p):
        return jnp.asarray(p, jnp.result_type(float))

    def mean(settings):
        if isinstance(start, str) and start == "corner":
            corner = as_floats(settings.data["corner"])
            rest = (1 - corner) / (num_outcomes - 1)
            return jnp.where(jnp.arange(num_outcomes) == 0, corner, rest)
        named = {"uniform": uniform, "external": h}
        return as_floats(named[start] if isinstance(start, str) else np.array(start) / sum(start))

    def begin(settings):
        return Start(mean(settings), as_floats(settings.data["concentration"]))

    def draw_external(key, settings, num):
        del settings
        return draw_outcomes(key, as_floats(h), num)

    def draw_start(key, settings, num):
        key_start, key_points = split(key)
        return draw_outcomes(key_points, begin(settings).draw(key_start), num)

    definition = {"external": h.tolist(), "start": start if isinstance(start, str) else [*start]}
    initial = law("start", draw_start, shape=(), truth=begin)
    return law(
        "outcomes",
        draw_external,
        shape=(),
        truth=lambda settings: External(as_floats(h)),
        definition=definition,
    )._replace(initial=initial)


def _law_of(name: str | Sequence[float], num_outcomes: int) -> np.ndarray:
    if isinstance(name, str):
        return np.full(num_outcomes, 1 / num_outcomes)
    return np.array(name, np.float64) / sum(name)


def draw_outcomes(key: jax.Array, probabilities: jax.Array, num: int) -> jax.Array:
    """`num` outcomes, int32 [num]."""
    edges = jnp.cumsum(probabilities)[:-1]
    uniform = unit_uniforms(key, (num,), probabilities.dtype)
    return (uniform[:, None] >= edges[None]).sum(1, dtype=jnp.int32)

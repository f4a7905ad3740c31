"""Laws on V symbols as real data, and Poisson counts: the data of discrete loops.

Points are symbols 0..V - 1, int32 `[N]`, drawn anew for each chain; a Poisson count is one number.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.data import vocabulary
from ouroboros_jax.data.base import RealData, law
from ouroboros_jax.draws.counts import poisson
from ouroboros_jax.draws.counts import symbols as draw_symbols


class SymbolLaw(NamedTuple):
    """A truth on V symbols."""

    probabilities: jax.Array  # [V], sums to 1
    is_rare: jax.Array  # bool [V], the rarest symbols, see `vocabulary.rarest`


class Rate(NamedTuple):
    """The truth of Poisson counts."""

    rate: jax.Array  # []


def symbols(*, probabilities: Sequence[float] = (0.5, 0.3, 0.2)) -> RealData:
    """Symbols of these probabilities."""
    return _fixed("symbols", vocabulary.checked(probabilities, "data.probabilities"))


def uniform_symbols(*, num_symbols: int = 100) -> RealData:
    """Equally likely symbols."""
    return _fixed("uniform_symbols", np.full(num_symbols, 1 / num_symbols))


def zipf(
    *,
    num_symbols: int = 1000,
    a: float = 1.0,
    b: float = 2.7,
    observed: int | None = None,
    layout_seed: int = 0,
) -> RealData:
    """Zipf-Mandelbrot symbols, or the frequencies of `observed` draws of them."""
    return _fixed("zipf", vocabulary.zipf(num_symbols, a, b, observed, layout_seed))


def unigram(
    *, path: str | None = None, dir: str | None = None, num_words: int = 50_000
) -> RealData:
    """The words of a text, by their frequencies; symbol i is the (i + 1)-th most frequent word."""
    found = vocabulary.words_of(path, dir, num_words)
    real = _fixed("unigram", found.counts / found.counts.sum(), origin=found.origin)
    return real._replace(note=found.note)


def bernoulli() -> RealData:
    """Symbols 0 and 1; the probability of 1 is the traced setting `data.p`."""

    def truth(settings):
        p = jnp.asarray(settings.data["p"], jnp.result_type(float))
        is_rare = (p > 0) & ((p <= 0.5) | (p == 1))
        return SymbolLaw(jnp.stack([1 - p, p]), jnp.stack([~is_rare, is_rare]))

    return _symbol_law("bernoulli", truth, 2)


def counts() -> RealData:
    """Poisson counts; their rate is the traced setting `data.rate`."""

    def truth(settings):
        return Rate(jnp.asarray(settings.data["rate"], jnp.result_type(float)))

    def draw(key, settings, num):
        return poisson(key, jnp.full(num, truth(settings).rate))

    return law("counts", draw, shape=(), truth=truth)


def _fixed(name: str, probabilities: np.ndarray, origin: str = "synthetic") -> RealData:
    is_rare = vocabulary.rarest(probabilities)

    def truth(settings):
        del settings
        p = jnp.asarray(probabilities, jnp.result_type(float))
        return SymbolLaw(p, jnp.asarray(is_rare))

    digest = hashlib.sha256(np.ascontiguousarray(probabilities, "<f8").tobytes()).hexdigest()
    return _symbol_law(name, truth, len(probabilities), definition=digest, origin=origin)


def _symbol_law(name, truth, num_symbols: int, **told) -> RealData:
    def draw(key, settings, num):
        return draw_symbols(key, truth(settings).probabilities, num)

    real = law(name, draw, shape=(), truth=truth, **told)
    return real._replace(dtype="int32", num_symbols=num_symbols)

"""Heat death: a law on K outcomes that is sampled at a temperature and fitted to its samples.

Serves Marchi, Soatto, Chaudhari and Tabuada, Heat Death of Generative Models in Closed-Loop
Learning (arXiv 2404.02325), and its Fisher-Rao follow-up (2026). Samples come from tau(p) ~
p^(1/T), T being `sampler.temperature`; real points come from the data's external law h, with share
a = `regime.real_fraction`. The dynamics and the regime together give the form of the loop:

  dynamics  regime                        the loop
  map       replace, fresh                p' = (1 - a) tau(p) + a h
  map       accumulate, accumulate_fresh  the mean of the urn: an Euler scheme of the equation below
  ode       replace, fresh                dp/ds = (1 - a) tau(p) + a h - p, by Runge-Kutta
  counts    replace, fresh                n points in each generation, multinomial
  counts    accumulate, accumulate_fresh  the urn: a data set that n points are added to

`map` and `ode` are the limit of infinitely many points, in which `num_samples` only sets how finely
the share is rounded; `counts` draws numbers of points instead of points, exact in law. Generation 0
is the data's start itself, without sampling error.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import (
    Context,
    Key,
    Learner,
    Metrics,
    Moments,
    Params,
    Pool,
    closed_form,
)
from ouroboros_jax.data.outcomes import External, Start, draw_outcomes
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, picked
from ouroboros_jax.metrics.names.heat_death import OF_HEAT_DEATH
from ouroboros_jax.samplers import tempered


class Outcomes(NamedTuple):
    """A law on K outcomes."""

    probabilities: jax.Array  # [K], sums to 1


class Tally(NamedTuple):
    """A data set by outcome and by origin: the real data in row 0, models in row 1."""

    counts: jax.Array  # [2, K]; int32, or float if they are expected counts


class FitState(NamedTuple):
    """A fit of the differential equation, and its step error by halving the step."""

    params: Outcomes
    error: jax.Array  # []


def runge_kutta(field, p: jax.Array, step: jax.Array) -> jax.Array:
    """One step of the classical fourth-order scheme for dp/ds = field(p)."""
    k1 = field(p)
    k2 = field(p + step / 2 * k1)
    k3 = field(p + step / 2 * k2)
    k4 = field(p + step * k3)
    return p + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def whole_counts(probabilities: jax.Array, num: jax.Array) -> jax.Array:
    """`num` points split by `probabilities` [K] into whole counts, the largest remainders up."""
    exact = probabilities * num
    counts = jnp.floor(exact)
    left = num - counts.sum().astype(jnp.int32)
    rank = jnp.argsort(jnp.argsort(counts - exact))
    return counts.astype(jnp.int32) + (rank < left)


def expected_counts(probabilities: jax.Array, num: jax.Array) -> jax.Array:
    """`num` points split by `probabilities` [K], in fractions."""
    return probabilities * num


def few_counts(key: Key, probabilities: jax.Array, num: jax.Array) -> jax.Array:
    """Counts [K] of `num` draws, int32, as successive binomials of the remainder.

    This suits few outcomes: for 3 to 5 it takes a tenth of the time of `draws.counts.multinomial`,
    which is for vocabularies.
    """
    dtype = probabilities.dtype
    rest = jnp.cumsum(probabilities[::-1])[::-1]
    share = jnp.clip(probabilities / jnp.maximum(rest, jnp.finfo(dtype).tiny), 0, 1)
    left, counts = num.astype(dtype), []
    for k, each in enumerate(split(key, probabilities.shape[0])[:-1]):
        counts.append(jax.random.binomial(each, left, share[k], dtype=dtype))
        left = left - counts[-1]
    return jnp.stack([*counts, left]).astype(jnp.int32)


def points_with(rng: np.random.Generator, tally: Tally) -> np.ndarray:
    """Points [N] with these counts, in random order."""
    counts = np.asarray(tally.counts).sum(0)
    return rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int32), counts))


def by_origin(pool: Pool) -> tuple[jax.Array, jax.Array]:
    """Weights of real data and of models in a pool, `[2, K]`, sum 1; and their totals [2]."""
    counts = pool.data.counts.astype(jnp.result_type(float))  # [S, 2, K]
    per_point = pool.totals / jnp.maximum(counts.sum((1, 2)), 1)
    parts = (per_point[:, None, None] * counts).sum(0) / pool.totals.sum()
    return parts, parts.sum(1)


def draw_tally(key: Key, settings, params: Params, num, *, is_counted: bool) -> Tally:
    """A data set of `num` points of a model, a `Start` or an `External` law.

    Whole counts if `is_counted`, expected ones otherwise; those of a `Start` are never sampled.
    """
    num = jnp.asarray(num, jnp.int32)
    if isinstance(params, Start):
        exactly = whole_counts if is_counted else expected_counts
        drawn = exactly(params.draw(key), num)
        return Tally(jnp.stack([drawn, jnp.zeros_like(drawn)]))
    law = params.probabilities
    if isinstance(params, Outcomes):
        law = tempered(law, settings.sampler["temperature"])
    drawn = few_counts(key, law, num) if is_counted else expected_counts(law, num)
    rows = [drawn, jnp.zeros_like(drawn)]
    return Tally(jnp.stack(rows if isinstance(params, External) else rows[::-1]))


def merge(a: Tally, b: Tally) -> Tally:
    """The union of two data sets."""
    return Tally(a.counts + b.counts)


def _of(data, mask):
    raise ValueError("heat_death is started from a law on its outcomes: use data.name='outcomes'.")


def init(key: Key, settings, data: Tally) -> Outcomes:
    """All outcomes equally likely."""
    del key, settings
    num_outcomes = data.counts.shape[-1]
    return Outcomes(jnp.full(num_outcomes, 1 / num_outcomes))


def frequencies(key: Key, settings, params: Outcomes, pool: Pool) -> Outcomes:
    """The fit of `map` and `counts`: the frequencies of the pool."""
    del key, settings, params
    return Outcomes(by_origin(pool)[0].sum(0))


def begin_flow(key: Key, settings, params: Outcomes, pool: Pool) -> FitState:
    """Where a step of the differential equation begins."""
    del key, settings, pool
    return FitState(params, jnp.zeros(()))


def flow(key: Key, settings, fit_state: FitState, pool: Pool) -> tuple[FitState, Metrics]:
    """A step of the differential equation as two half steps, and as a whole one for its error."""
    del key
    parts, (share, rest) = by_origin(pool)
    p, step = fit_state.params.probabilities, settings.learner["step"]

    def field(p):
        tau = tempered(jnp.maximum(p, 0), settings.sampler["temperature"])
        return (1 - share) * tau + parts[0] - p

    coarse = runge_kutta(field, p, step)
    fine = runge_kutta(field, runge_kutta(field, p, step / 2), step / 2)
    error = jnp.abs(fine - coarse).max() / 15
    # Only in generation 0, whose data set is the start, are all points real.
    is_start = rest == 0
    params = Outcomes(jnp.where(is_start, parts.sum(0), fine))
    return FitState(params, jnp.where(is_start, 0, error)), {}


def end_flow(fit_state: FitState, *, wanted: Sequence[str]) -> tuple[Outcomes, Metrics]:
    """Where the step ends, and its error."""
    return fit_state.params, picked({"step_error": fit_state.error}, wanted)


def sample(key: Key, settings, params: Outcomes, source, num: int) -> jax.Array:
    """`num` outcomes, int32 [num]."""
    del source
    return draw_outcomes(key, tempered(params.probabilities, settings.sampler["temperature"]), num)


def measure(settings, params: Outcomes, context: Context, *, wanted: Sequence[str]) -> Metrics:
    """Metrics of one generation."""
    del settings
    p, before = params.probabilities, context.reference.probabilities
    external = context.truth.probabilities
    values = {
        "max_probability": p.max(),
        "deviation": jnp.abs(p - 1 / p.shape[0]).max(),
        "heterozygosity": 1 - jnp.square(p).sum(),
        "entropy": jax.scipy.special.entr(p).sum(),
        "support": (p > 0).sum(dtype=jnp.int32),
        "is_leader_kept": p[before.argmax()] == p.max(),
        "external_distance": 2
        * jnp.arcsin(jnp.sqrt(jnp.square(jnp.sqrt(p) - jnp.sqrt(external)).sum()) / 2),
        "probabilities": p,
    }
    return picked(values, wanted)


def heat_death(*, dynamics: str = "map", metrics=None) -> Learner:
    """A law on K outcomes, fitted by its frequencies.

    Args:
      dynamics: `map`, `ode` or `counts`, see above.
      metrics: names of the metrics to compute; None for all.
    """
    check_choices("heat_death", dynamics=dynamics)
    is_counted = dynamics == "counts"
    wanted = chosen_metrics(metrics, OF_HEAT_DEATH)
    learner = closed_form(
        init,
        frequencies,
        sample,
        partial(measure, wanted=wanted),
        moments=Moments(
            partial(draw_tally, is_counted=is_counted),
            _of,
            merge,
            lambda truth: truth,
            points_with if is_counted else None,
        ),
        block=512,
    )
    if dynamics != "ode":
        return learner
    end = partial(end_flow, wanted=wanted)
    return learner._replace(fit_begin=begin_flow, fit_step=flow, fit_end=end)

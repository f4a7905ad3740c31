"""The Gaussian-mixture chain: expectation-maximisation as scikit-learn defines it.

Serves Shumailov et al. (arXiv 2305.17493, Nature 2024), whose mixtures start every fit anew from
k-means, and Suresh et al. (arXiv 2412.17646). `tol`, `max_iter`, `reg_covar` and `n_init` mean the
same as there; `reg_covar` decides where a long chain ends, since no component gets narrower than
its square root.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from ouroboros_jax.base import Context, Learner, Metrics, Mixture, Params, Pool
from ouroboros_jax.draws.numbers import normal_of_unit, unit_uniforms
from ouroboros_jax.learners import em, kmeans
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics import mixture as metrics_of
from ouroboros_jax.metrics.asked import chosen_metrics, computed, picked
from ouroboros_jax.metrics.linalg import lower_times
from ouroboros_jax.metrics.names.mixtures import OF_COMPONENTS, OF_EM, OF_MIXTURES

_EXACT = 5  # up to this many components, every relabelling is tried


class DiagonalMixture(NamedTuple):
    """Parameters of a mixture with independent features, or with one feature."""

    weights: jax.Array  # [K]
    means: jax.Array  # [K, D]
    log_scales: jax.Array  # [K, D], log of the standard deviations


class FullMixture(NamedTuple):
    """Parameters of a mixture with full covariances, D (D + 1) / 2 numbers a component."""

    weights: jax.Array  # [K]
    means: jax.Array  # [K, D]
    log_scales: jax.Array  # [K, D], log of the standard deviations
    ratios: jax.Array  # [K, D (D - 1) / 2], R[i, j] / R[i, i] below the diagonal, by rows


class FitState(NamedTuple):
    """A fit, before (`steps` is 0) or after it."""

    previous: Params  # the components take its labels
    params: Params
    steps: jax.Array  # int32 []
    converged: jax.Array  # bool []
    lower_bound: jax.Array  # float [], mean log likelihood per unit of weight, in nats
    degenerate: jax.Array  # bool []


def mixture_of(params: Params) -> Mixture:
    """The law that parameters stand for."""
    lean = _unpack(params)
    return lean._replace(factors=metrics_of.full_factors(lean))


def params_of(mixture: Mixture, covariance: str = "full") -> Params:
    """Parameters of a known law, from which a fit with `init="previous"` may begin."""
    diagonal = covariance == "diag" or mixture.means.shape[-1] == 1
    return _pack(mixture._replace(factors=None) if diagonal else mixture)


def _unpack(params: Params) -> Mixture:
    """As `mixture_of`, with `factors` None if features are independent."""
    ratios = getattr(params, "ratios", None)
    if ratios is None:
        return Mixture(params.weights, params.means, params.log_scales, None)
    num_features = params.means.shape[-1]
    # Every entry of the factor is one of: a ratio, 1, 0.
    places = np.full((num_features, num_features), ratios.shape[-1] + 1)
    places[np.tril_indices(num_features, -1)] = np.arange(ratios.shape[-1])
    np.fill_diagonal(places, ratios.shape[-1])
    ends = jnp.broadcast_to(jnp.array([1, 0], ratios.dtype), (*ratios.shape[:-1], 2))
    rows = jnp.concatenate([ratios, ends], -1)[..., places]
    factors = rows * jax.lax.rsqrt(jnp.square(rows).sum(-1, keepdims=True))
    return Mixture(params.weights, params.means, params.log_scales, factors)


def _pack(mixture: Mixture) -> Params:
    lean = mixture.weights, mixture.means, mixture.log_scales
    if mixture.factors is None:
        return DiagonalMixture(*lean)
    below = np.tril_indices(mixture.means.shape[-1], -1)
    diagonal = jnp.diagonal(mixture.factors, axis1=-2, axis2=-1)
    return FullMixture(*lean, mixture.factors[:, *below] / diagonal[:, below[0]])


def init_params(key, settings, data: jax.Array, *, components: int, covariance: str) -> Params:
    """Equal components, spread along the first feature that varies and labelled in its order."""
    del key, settings
    points = em.points_of(data, jnp.ones(data.shape[:1], data.dtype))
    scales = jnp.maximum(jnp.sqrt(points.variances), em.least_scales(points))
    varies = points.variances > 0
    along = scales * (jnp.arange(len(scales)) == jnp.argmax(varies))
    levels = ndtri((np.arange(components) + 0.5) / components).astype(data.dtype)
    shape = (components, len(scales))
    return params_of(
        Mixture(
            jnp.full(components, 1 / components, data.dtype),
            points.center[None] + levels[:, None] * along[None],
            jnp.broadcast_to(jnp.log(scales)[None], shape),
            jnp.broadcast_to(jnp.eye(len(scales), dtype=data.dtype)[None], (*shape, shape[1])),
        ),
        covariance,
    )


def fit_begin(key, settings, params: Params, pool: Pool) -> FitState:
    """The fit before its one step."""
    del key, settings
    dtype = pool.data.dtype
    no = jnp.array(False)
    return FitState(params, params, jnp.int32(0), no, jnp.array(-jnp.inf, dtype), no)


def fit_step(
    key, settings, fit_state: FitState, pool: Pool, *, init: str, num_starts: int
) -> tuple[FitState, Metrics]:
    """The best of `num_starts` runs of expectation-maximisation, its components relabelled to match
    the previous generation's."""
    points = em.points_of(pool.data, pool.weights, pool.group, len(pool.totals))
    reg_covar = jnp.asarray(settings.learner["reg_covar"], points.columns.dtype)
    previous = _unpack(fit_state.previous)

    def attempt(uniforms):
        if init == "previous":
            start = previous._replace(means=previous.means - points.center[None])
        else:
            start = em.begin(init, uniforms, points, previous, reg_covar)
        return em.maximise(start, points, settings.learner, reg_covar)

    shape = (num_starts, kmeans.num_uniforms(len(previous.weights)))
    best = _best(attempt, unit_uniforms(key, shape, points.columns.dtype), previous)
    mixture = best.mixture._replace(means=best.mixture.means + points.center[None])
    order = _labels(mixture, previous)
    params = _pack(jax.tree.map(lambda a: a[order], mixture))
    tol = jnp.asarray(settings.learner["tol"], best.change.dtype)
    converged = jnp.abs(best.change) < tol
    fitted = FitState(
        fit_state.previous, params, best.steps, converged, best.lower_bound, best.degenerate
    )
    return fitted, {}


def _best(attempt: Callable[[jax.Array], em.EMState], uniforms: jax.Array, like: Mixture):
    """The run of highest lower bound among those that begin from each row of `uniforms`."""
    if len(uniforms) == 1:
        return attempt(uniforms[0])

    def better(i, best):
        run = attempt(uniforms[i])
        wins = (run.lower_bound > best.lower_bound) | (i == 0)
        return jax.tree.map(lambda a, b: jnp.where(wins, a, b), run, best)

    return jax.lax.fori_loop(0, len(uniforms), better, em.unfitted(like))


def fit_end(fit_state: FitState, *, wanted: Sequence[str]) -> tuple[Params, Metrics]:
    """The parameters, and how the fit went."""
    found = {
        "em_steps": fit_state.steps,
        "converged": fit_state.converged,
        "lower_bound": fit_state.lower_bound,
    }
    return fit_state.params, picked(found, wanted) | {"degenerate": fit_state.degenerate}


def sample(key, settings, params: Params, source, num: int) -> jax.Array:
    """`num` points [num, D]."""
    del source
    mixture = _unpack(params)
    if "bias" in settings.sampler:
        mixture = metrics_of.broaden(mixture, settings.sampler["bias"])
    return draw(key, mixture, num)


def measure(settings, params: Params, context: Context, *, wanted: Sequence[str]) -> Metrics:
    """Metrics of one generation."""
    mixture = _unpack(params)
    if context.reference is not None:
        context = context._replace(reference=_unpack(context.reference))
    names = [name for name in OF_MIXTURES if name in wanted]
    found = metrics_of.mixture_metrics(mixture, settings, context, names)
    one = mixture.means.shape[-1] == 1
    scales = jnp.exp(mixture.log_scales)
    own = {
        "component_mean": lambda: mixture.means[:, 0] if one else mixture.means,
        "component_std": lambda: scales[:, 0] if one else scales,
        "weights": lambda: mixture.weights,
        "separation": lambda: metrics_of.separation(mixture),
    }
    return found | computed(own, wanted)


def draw(key: jax.Array, mixture: Mixture, num: int) -> jax.Array:
    """`num` independent points of a mixture, [num, D].

    One uniform per point inverts the running sum of the weights, and one per coordinate becomes
    normal as in `jax.random.normal`; a single call draws them all.
    """
    num_components, num_features = mixture.means.shape
    dtype = mixture.means.dtype
    scales = jnp.exp(mixture.log_scales)
    is_mixed = num_components > 1
    uniforms = unit_uniforms(key, (is_mixed + num_features, num), dtype)
    noise = normal_of_unit(uniforms[is_mixed:])  # [D, N]

    def of(k):
        if mixture.factors is None:
            moved = scales[k][:, None] * noise
        else:
            moved = lower_times(scales[k][:, None] * mixture.factors[k], noise)
        return mixture.means[k][:, None] + moved

    columns, edge = of(0), mixture.weights[0]
    for k in range(1, num_components):
        columns = jnp.where(uniforms[:1] >= edge, of(k), columns)
        edge = edge + mixture.weights[k]
    return columns.T


def _labels(mixture: Mixture, previous: Mixture) -> jax.Array:
    """Which component takes each of the previous generation's labels, int32 [K].

    Minimises the sum of squared 2-Wasserstein distances of the marginals over all relabellings;
    beyond `_EXACT` components, greedily and then by exchanging pairs until no exchange helps.
    """
    num = len(mixture.weights)
    if num == 1:
        return jnp.zeros(1, jnp.int32)
    here = jnp.concatenate([mixture.means, jnp.exp(mixture.log_scales)], 1)
    there = jnp.concatenate([previous.means, jnp.exp(previous.log_scales)], 1)
    costs = jnp.square(there[:, None] - here[None]).sum(-1)  # [label, component]
    labels = np.arange(num)
    if num <= _EXACT:
        orders = np.array(list(permutations(range(num))), np.int32)
        totals = costs[labels[None], orders].sum(1)
        return jnp.asarray(orders)[jnp.argmin(totals)]

    def assign(_, carry):
        left, order = carry
        label, component = jnp.unravel_index(jnp.argmin(left), left.shape)
        left = left.at[label].set(jnp.inf).at[:, component].set(jnp.inf)
        return left, order.at[label].set(component.astype(jnp.int32))

    _, order = jax.lax.fori_loop(0, num, assign, (costs, jnp.zeros(num, jnp.int32)))
    first, second = np.triu_indices(num, 1)

    def gains(order):
        now = costs[labels, order]
        crossed = costs[first, order[second]] + costs[second, order[first]]
        return now[first] + now[second] - crossed

    def exchange(carry):
        order, turns = carry
        pair = jnp.argmax(gains(order))
        i, j = jnp.asarray(first)[pair], jnp.asarray(second)[pair]
        return order.at[i].set(order[j]).at[j].set(order[i]), turns + 1

    def gains_any(carry):
        return (gains(carry[0]) > 0).any() & (carry[1] < num * num)

    return jax.lax.while_loop(gains_any, exchange, (order, 0))[0]


def gmm(
    *,
    components: int = 2,
    covariance: str = "full",
    n_init: int = 1,
    init: str = "kmeans",
    metrics=None,
) -> Learner:
    """A mixture of `components` Gaussians, fitted by expectation-maximisation.

    Args:
      components: K.
      covariance: `full`, or `diag` for independent features.
      n_init: random starts of a fit; the one with the highest lower bound is kept. Starts that draw
        no random numbers are tried once.
      init: what a fit begins from. `kmeans`: the labels of a k-means run, the cold start of
        scikit-learn; `kmeans++`: its seeding points alone, with covariance `reg_covar`;
        `quantile`: K groups of equal weight along the first principal axis; `previous`: the last
        generation's parameters.
      metrics: names of the metrics to compute; None for all.

    Traced settings: `tol`, `max_iter`, `reg_covar` of `settings.learner`, and `settings.sampler`'s
    `bias`, which multiplies covariances when sampling. Pool weights count as repeated rows do, and
    covariances are taken within the pool's groups (`em.maximise`). Components take the labels of
    the previous generation's nearest ones, and at generation 0 are sorted by the first feature.
    """
    if components < 1:
        raise ValueError(f"components={components}: expected at least 1.")
    if n_init < 1:
        raise ValueError(f"n_init={n_init}: expected at least 1.")
    check_choices("gmm", covariance=covariance, init=init)
    wanted = chosen_metrics(metrics, (*OF_MIXTURES, *OF_COMPONENTS, *OF_EM))
    num_starts = n_init if init in ("kmeans", "kmeans++") else 1
    return Learner(
        partial(init_params, components=components, covariance=covariance),
        fit_begin,
        partial(fit_step, init=init, num_starts=num_starts),
        partial(fit_end, wanted=wanted),
        sample,
        partial(measure, wanted=wanted),
    )

"""The types that every other module uses: learner, settings, pool, context.

A *learner* is six pure functions of ONE chain. A *regime* (`regimes.py`) says what a generation
trains on, a *pool* holds those points, and a *chain* (`chain.py`) folds learner and regime into
`init` and `step`. The chains axis is added once, at the edge, by `vectorize.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Key = jax.Array  # a typed threefry key, shape []
Params = Any  # a pytree of arrays: one generation's model of one chain
Data = Any  # a pytree of arrays with a leading axis of points, N
Metrics = dict[str, jax.Array]


class Settings(NamedTuple):
    """The settings of one chain at one generation: every leaf is a traced scalar.

    The dicts are keyed by the names of the config's sections, so `settings.learner["tol"]` is
    `config.learner.tol`. Structural choices never appear here: factories hold them.
    """

    num_samples: jax.Array  # int32 [], new points of this generation; see also `regimes.py`
    num_real: jax.Array  # int32 [], how many of these are fresh real points
    num_data: jax.Array  # int32 [], points of the real data set of generation 0
    learner: dict[str, jax.Array]
    regime: dict[str, jax.Array]
    sampler: dict[str, jax.Array]
    data: dict[str, jax.Array]
    selector: Mapping[str, jax.Array] = {}


class Pool(NamedTuple):
    """What a generation is fitted to: rows of fixed capacity, or one row of statistics a source.

    Points of one `group` share a centre: a variance is taken within groups, so that a regime which
    wants within-source variances gives each source a group, and all others have one.
    """

    data: Data  # rows [N, ...]; or statistics, one row a group
    weights: jax.Array  # float [N], 0 marks an empty slot
    group: jax.Array  # int32 [N], which row of `totals` a point belongs to
    totals: jax.Array  # float [S], total weight of each group

    def take(self, places: jax.Array) -> Data:
        """The points in the slots `places`, int32 [K], in that order. The result for places >= N is
        unspecified."""
        return jax.tree.map(lambda a: a[places], self.data)

    @property
    def most_taken(self) -> int:
        """How many points to `take` at once; 1, since small takes cost no more than large ones."""
        return 1


def effective_count(weights: jax.Array) -> jax.Array:
    """Kish's effective number of points, (sum w)^2 / sum w^2: how many there are if those that have
    weight have the same, and 0 if none has."""
    squares = jnp.square(weights).sum()
    return jnp.square(weights.sum()) / jnp.where(squares > 0, squares, 1)


class Context(NamedTuple):
    """What a generation is measured against; constant through a run, rebuilt from keys and disk.

    `truth` and `reference` are parameter pytrees or None; `test` is held-out real data or None.
    """

    truth: Any
    reference: Params  # the parameters of generation 0
    test: Data
    prepared: Any = ()  # what the learner's `prepare` made


class Moments(NamedTuple):
    """Exact sampling of a data set's sufficient statistics, without drawing its points.

    `draw(key, settings, params, num)` has the law of `of(points, mask)` for `num` points drawn by
    `sample`; `num` may be traced, and 0. `merge(a, b)` are the statistics of the union.
    `law(truth)` are the parameters equal to a known truth, or None if the truth is no such model.
    `points(rng, statistics)` are points that have the statistics exactly, on the host.
    """

    draw: Callable[[Key, Settings, Params, jax.Array], Data]
    of: Callable[[Data, jax.Array], Data]
    merge: Callable[[Data, Data], Data]
    law: Callable[[Any], Params | None]
    points: Callable[[np.random.Generator, Data], np.ndarray] | None = None


class Parts(NamedTuple):
    """Drawing some rows at a time, if drawing all takes long: the host drives it.

    `sample(key, settings, params, source, num, places) -> data` are the rows at `places` [R] of the
    `num` that the learner's own `sample` draws from the same key, R being `size`.
    """

    sample: Callable[[Key, Settings, Params, Data, int, jax.Array], Data]
    size: int


class Learner(NamedTuple):
    """A model family: a substrate that can be fit to a pool and sampled from.

    `init(key, settings, data) -> params` is where a fit may begin. A fit is
    `fit_begin(key, settings, params, pool) -> fit_state`, then `num_steps` times
    `fit_step(key, settings, fit_state, pool) -> (fit_state, info)` (one epoch; the whole fit if it
    is closed-form or EM), then `fit_end(fit_state) -> (params, metrics)`.
    `sample(key, settings, params, source, num) -> data` draws `num` points, `num` static; `source`
    is the data that prompts, labels or designs the new points and may be ignored.
    `measure(settings, params, context) -> metrics` compares with truth, test data and generation 0.

    The `info` of each step becomes a metric with a leading axis of steps. A metric named
    `degenerate` (bool) marks a legitimate but singular fit and becomes `status` 1.

    What `source` is, by `prompts`:
      table: the real data's whole table.
      real: `num` rows of the generation-0 data set of this chain, in order, cycled through if there
        are fewer.
      previous: likewise of the points that the generation before drew and was fitted to.
      fresh: `num` new real points, drawn for this generation.

    `points` says how a pool holds its points: as rows; as `recipes`, drawn again from parameters
    and keys at every step if the regime keeps more than the real ones, so that memory is bounded;
    or as a `stream`, drawn anew at every step. A fit step always sees rows. A step that reads the
    latter two through `pool.take`, `pool.most_taken` rows at a time, never has all of them in
    memory.

    A `hosted` learner's fits are long: the host drives them step by step and shows progress; an
    interruption loses at most 20 seconds of work, or 20 times the duration of a save if that is
    longer. The same holds for its draws if it has `parts`.

    `prepare(key, settings, table) -> Any` is computed once a run and handed to `measure` as
    `context.prepared`. `across(key, settings, models, table, test) -> metrics` sees all generations
    of a chain at once, leaves of `models` being [G, ...], after the last; its metrics are [G, ...].

    `scores` are the metrics of `measure` by which stored generations are scored on other data than
    the run's, as `context.test`; None means those that begin with `test_`.
    """

    init: Callable[[Key, Settings, Data], Params]
    fit_begin: Callable[[Key, Settings, Params, Pool], Any]
    fit_step: Callable[[Key, Settings, Any, Pool], tuple[Any, Metrics]]
    fit_end: Callable[[Any], tuple[Params, Metrics]]
    sample: Callable[[Key, Settings, Params, Data, int], Data]
    measure: Callable[[Settings, Params, Context], Metrics]
    num_steps: int = 1
    moments: Moments | None = None
    block: int = 1  # chains that share one vmapped call on a CPU
    hosted: bool = False
    parts: Parts | None = None
    prompts: Literal["table", "real", "previous", "fresh"] = "table"
    points: Literal["rows", "recipes", "stream"] = "rows"
    prepare: Callable[[Key, Settings, Data], Any] | None = None
    across: Callable[[Key, Settings, Params, Data, Data], Metrics] | None = None
    scores: tuple[str, ...] | None = None


def closed_form(
    init: Callable[[Key, Settings, Data], Params],
    fit: Callable[[Key, Settings, Params, Pool], Params],
    sample: Callable[[Key, Settings, Params, Data, int], Data],
    measure: Callable[[Settings, Params, Context], Metrics],
    **others: Any,
) -> Learner:
    """A learner whose whole fit is one function of the pool and reports no metrics.

    Args:
      init, sample, measure: as of `Learner`.
      fit: `(key, settings, params, pool) -> params`; `params` is the starting point, of which a
        closed form usually needs only shapes and dtypes.
      **others: the other fields of `Learner`.
    """

    def fit_begin(key, settings, params, pool):
        del key, settings, pool
        return params

    def fit_step(key, settings, params, pool):
        return fit(key, settings, params, pool), {}

    def fit_end(params):
        return params, {}

    return Learner(init, fit_begin, fit_step, fit_end, sample, measure, **others)


class Mixture(NamedTuple):
    """A Gaussian mixture; a Gaussian is one of one component.

    Component k has covariance S_k R_k R_k^T S_k with S_k = diag(exp(log_scales[k])) and R_k lower
    triangular with rows of length 1, so that scales survive float32 through thousands of
    generations of collapse.
    """

    weights: jax.Array  # [K], sums to 1
    means: jax.Array  # [K, D]
    log_scales: jax.Array  # [K, D], log of each coordinate's standard deviation
    factors: jax.Array  # [K, D, D], Cholesky factors of the correlation matrices

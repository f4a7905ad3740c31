"""Interventions on a model's draws, as values: which candidates become training points.

A selector is `select(key, settings, draw, num) -> data`, where `draw(key, num)` gives candidates
from one model. Counts stay exact: `num` points come back, whatever is rejected. Data is any pytree
with a leading axis, so every learner that draws points can be curated or pruned.
"""

import importlib
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Key, Settings
from ouroboros_jax.draws.numbers import unit_uniforms
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.errors import UserError

Draw = Callable[[Key, int], Data]
Select = Callable[[Key, Settings, Draw, int], Data]
Score = Callable[[Settings, Data], jax.Array]  # (settings, data) -> [N]
JUDGED = ("label", "targets")  # scored instead of the whole point, if it has one of them


def curate(*, choices: int = 2, score: Score | str = "feature", index: int = 0) -> Select:
    """Keep one of `choices` candidates, with probability proportional to exp(strength * score).

    Each point is chosen on its own among candidates that share its prompt. In the limit of many
    points the law p becomes p' = p H, H(x) = E[K e^r(x) / (e^r(x) + sum_{j<K} e^r(X_j))], and p' ~
    p e^r as K goes to infinity; `strength` is a traced setting of `settings.selector`.

    References:
      Ferbach et al., Self-Consuming Generative Models with Curated Data Provably Optimize Human
      Preferences, 2024 (arXiv 2407.09499).
    """

    score = scorer(score, index)

    def select(key, settings, draw, num):
        key_draw, key_choose = split(key)
        candidates = jax.lax.map(lambda k: draw(k, num), split(key_draw, choices))
        rewards = jax.lax.map(lambda data: score(settings, data), candidates)  # [K, N]
        strength = settings.selector["strength"]
        noise = jax.random.gumbel(key_choose, rewards.shape, rewards.dtype)
        chosen = jnp.argmax(strength * rewards + noise, 0)
        rows = jnp.arange(num)
        return jax.tree.map(lambda a: a[chosen, rows], candidates)

    return select


def verify(*, score: Score | str = "feature", index: int = 0, max_rounds: int = 1000) -> Select:
    """Keep a candidate with one probability if it is right and with another if it is wrong.

    Right is a score above `threshold`. Rejected candidates are drawn again, until every point is
    kept or after `max_rounds` rounds (the last candidate then stays). `keep_right`, `keep_wrong`
    and `threshold` are traced settings of `settings.selector`.

    References:
      Feng et al., Beyond Model Collapse: Scaling Up with Synthesized Data Requires Verification,
      2024 (arXiv 2406.07515).
    """

    score = scorer(score, index)

    def attempt(key, settings, draw, num):
        key_draw, key_keep = split(key)
        data = draw(key_draw, num)
        told = settings.selector
        is_right = score(settings, data) > told["threshold"]
        probability = jnp.where(is_right, told["keep_right"], told["keep_wrong"])
        return data, unit_uniforms(key_keep, (num,), probability.dtype) < probability

    def select(key, settings, draw, num):
        def again(carry):
            i, data, kept = carry
            new, is_kept = attempt(fold_in(key, i), settings, draw, num)

            def choose(a, b):
                return jnp.where(kept.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

            return i + 1, jax.tree.map(choose, data, new), kept | is_kept

        first = (jnp.uint32(1), *attempt(fold_in(key, 0), settings, draw, num))
        _, data, _ = jax.lax.while_loop(
            lambda carry: ~carry[2].all() & (carry[0] < max_rounds), again, first
        )
        return data

    return select


def feature(index: int = 0) -> Score:
    """One number per point: feature `index` of a vector; for symbols, whether the symbol is
    `index`; for labelled data, whether the label is; for inputs with targets, the target, since
    candidates share their inputs."""

    def score(settings, data):
        if isinstance(data, dict):
            data = next((data[name] for name in JUDGED if name in data), data)
        values = jax.tree.leaves(data)[0]
        if jnp.issubdtype(values.dtype, jnp.integer):
            is_it = values == index
            return is_it.reshape(len(is_it), -1).mean(1, dtype=jnp.result_type(float))
        flat = values.reshape(len(values), -1)
        if index >= flat.shape[1]:
            raise UserError(
                f"selector.index={index} is out of range: points have {flat.shape[1]} features, "
                "counted from 0"
            )
        return flat[:, index]

    return score


def closeness(settings: Settings, data: Data) -> jax.Array:
    """Minus the squared length of a point: the centre is rewarded."""
    leaves = [a.astype(jnp.result_type(float)) for a in jax.tree.leaves(data)]
    return -sum(jnp.square(a).reshape(len(a), -1).sum(1) for a in leaves)


def scorer(score: Score | str, index: int) -> Score:
    """A score by name: `feature`, `closeness`, or a user's own `module:function`."""
    if not isinstance(score, str):
        return score
    if score == "feature":
        return feature(index)
    if score == "closeness":
        return closeness
    module, _, function = score.partition(":")
    return getattr(importlib.import_module(module), function)

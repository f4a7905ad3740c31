"""Checks of a user's own data, learner, regime and selector, before anything runs.

They are parts whose name has a colon, `module:function`; each mistake becomes one sentence.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Learner
from ouroboros_jax.data.base import RealData
from ouroboros_jax.errors import UserError, failure, listed
from ouroboros_jax.keys import new_key
from ouroboros_jax.programs.factories import failed, make_selector
from ouroboros_jax.programs.program import drawn_shapes, of_counts, one_setting
from ouroboros_jax.regimes import Regime
from ouroboros_jax.sweep import Group


def check_data(group: Group, real: RealData) -> None:
    """Refuse a user's own data that cannot be drawn, or whose points have another shape than it
    says."""
    name = group.point["data.name"]
    if ":" not in name:
        return
    try:
        drawn = drawn_shapes(group, real, 2)
    except UserError:
        raise
    except Exception as error:
        raise failed("data", name, error) from error
    shapes = [(2, *shape) for shape in jax.tree.leaves(real.shape, is_leaf=_is_shape)]
    found = [leaf.shape for leaf in jax.tree.leaves(drawn)]
    if found != shapes:
        raise UserError(
            f"data.name={name!r} draws 2 points as {_told(found)}: expected {_told(shapes)}, "
            f"points of its shape={real.shape}"
        )


def checked(learner: Learner, group: Group, real: RealData) -> Learner:
    """A user's own learner that refuses to draw points unlike the real ones; others as they are."""
    name = group.point["learner.name"]
    if ":" not in name:
        return learner

    def sample(key, settings, params, source, num):
        points = learner.sample(key, settings, params, source, num)
        expected = drawn_shapes(group, real, num)
        if jax.tree.map(jnp.shape, points) != jax.tree.map(jnp.shape, expected):
            found, wanted = (
                _told(jnp.shape(a) for a in jax.tree.leaves(tree)) for tree in (points, expected)
            )
            raise UserError(
                f"learner.name={name!r} samples {num} points as {found}: expected {wanted}, as the "
                "real ones are"
            )
        return points

    return learner._replace(sample=sample)


def check_regime(group: Group, regime: Regime) -> None:
    """Refuse a user's own regime whose counts are not those it promises."""
    name = group.point["regime.name"]
    if ":" not in name or not group.point["generations"]:
        return

    def first_wrong(counts, num):
        if counts.shape[1] != len(regime.sources):
            raise UserError(
                f"regime.name={name!r} counts {counts.shape[1]} sources: expected one count for "
                f"each of its {len(regime.sources)}"
            )
        is_wrong = (counts < 0).any(1) | (counts.sum(1) != num)
        place = jnp.argmax(is_wrong)
        about = jnp.stack([num[place], place, is_wrong[place].astype(place.dtype)])
        return jnp.concatenate([counts[place], about])

    try:
        rows = of_counts(group, regime, first_wrong).tolist()
    except UserError:
        raise
    except Exception as error:
        raise failed("regime", name, error) from error
    for *counts, num, place, is_wrong in rows:
        if is_wrong:
            raise UserError(
                f"regime.name={name!r} counts {counts} points at generation {place + 1}: expected "
                f"counts of at least 0 that add up to num_samples={num}"
            )


def check_selector(group: Group, real: RealData) -> None:
    """Refuse a selector that cannot score a group's points, before anything runs.

    Raises:
      UserError: the selector's own, or naming a user's function that fails.
    """
    select = make_selector(group.point)
    if select is None:
        return
    settings, num = one_setting(group), int(group.counts(np.arange(2))["num_samples"].max())

    def selected(key, table):
        return select(key, settings, lambda key, num: real.draw(key, settings, table, num), num)

    try:
        jax.eval_shape(selected, new_key(0), real.table)  # shapes: no rows go to the device
    except UserError:
        raise
    except Exception as error:
        for path in ("selector.score", "selector.name"):
            if ":" in group.point.get(path, ""):
                named = f"{path}={group.point[path]!r}"
                raise UserError(f"{named} failed: {failure(error)}") from error
        raise


def _is_shape(node: Any) -> bool:
    return isinstance(node, tuple | list) and all(isinstance(size, int) for size in node)


def _told(shapes: Iterable[tuple[int, ...]]) -> str:
    return f"arrays of shape {listed(shapes)}"

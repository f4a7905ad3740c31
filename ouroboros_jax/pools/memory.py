"""What a chain remembers of earlier data sets, as values: nothing, the real one, the last K, all.

Each memory exists for rows, for statistics and for recipes. `empty(points, capacity)` is the memory
before generation 0, `add(memory, points, capacity)` the memory with a generation's new points
added, and `union(memory, points, first)` what a later generation is trained on. There, `points` are
new ones that have already been added, and `first()` is the real data set of generation 0.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Data, Moments
from ouroboros_jax.pools.given import Capacity


class Rows(NamedTuple):
    """Points of fixed capacity."""

    data: Data  # [N, ...]
    weights: jax.Array  # float [N], 0 marks an empty slot
    group: jax.Array  # int32 [N], see `base.Pool`
    filled: jax.Array | None = None  # int32 [], if the empty slots are the last


class WithLast(NamedTuple):
    """A memory that also has the newest points, for regimes and learners that read them again."""

    kept: Any
    last: Rows


class Memory(NamedTuple):
    """One way to remember; see the module's docstring."""

    empty: Callable[[Any, Capacity], Any]
    add: Callable[[Any, Any, Capacity], Any]
    union: Callable[[Any, Any, Callable[[], Any]], Any]
    grow: Callable[[Any, Capacity], Any] = lambda memory, capacity: memory


def num_rows(data: Data) -> int:
    """The length of the leading axis."""
    return jax.tree.leaves(data)[0].shape[0]


def num_bytes(shapes: Any) -> int:
    """Bytes of a pytree of arrays or of their shapes."""
    return sum(int(np.prod(s.shape)) * s.dtype.itemsize for s in jax.tree.leaves(shapes))


def are_alike(a: Any, b: Any) -> bool:
    """Whether two pytrees of arrays or shapes agree in structure, shapes and dtypes."""

    def kinds(tree):
        return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]

    return jax.tree.structure(a) == jax.tree.structure(b) and kinds(a) == kinds(b)


def pad(data: Data, num: int, axis: int = 0) -> Data:
    """Rows padded with zeros to `num` along `axis`."""

    def pad_leaf(a):
        widths = [(0, 0)] * a.ndim
        widths[axis] = (0, num - a.shape[axis])
        return jnp.pad(a, widths) if widths[axis][1] else a

    return jax.tree.map(pad_leaf, data)


NOTHING = Memory(
    empty=lambda points, capacity: (),
    add=lambda memory, points, capacity: memory,
    union=lambda memory, points, first: points,
)


def rows_memories(window: int) -> dict[str, Memory]:
    """Memories of rows by the name a regime gives."""

    def concatenate(memory, points, first):
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first(), points)

    def window_empty(points, capacity):
        slots = max(capacity.real, capacity.new)
        return jax.tree.map(lambda a: jnp.zeros((window, slots, *a.shape[1:]), a.dtype), points)

    def window_add(memory, points, capacity):
        points = pad(points, max(capacity.real, capacity.new))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b[None]]), memory, points)

    def all_empty(points, capacity):
        shape = (capacity.kept,)
        kept = jax.tree.map(lambda a: jnp.zeros(shape + a.shape[1:], a.dtype), points.data)
        return kept, jnp.int32(0)

    def all_add(memory, points, capacity):
        # Written at the cursor: rows of weight 0 beyond the count are overwritten by the next set.
        kept, cursor = memory
        # A scatter is done once and in place; XLA would redo (and copy) a slice update per reader.
        places = cursor + jnp.arange(num_rows(points.data), dtype=jnp.int32)
        kept = jax.tree.map(
            lambda a, b: a.at[places].set(
                b, mode="promise_in_bounds", indices_are_sorted=True, unique_indices=True
            ),
            kept,
            points.data,
        )
        return kept, cursor + (points.weights > 0).sum(dtype=jnp.int32)

    def all_union(memory, points, first):
        # Points that are always kept count 1 each: the cursor alone determines their weights.
        kept, cursor = memory
        slots = jnp.arange(num_rows(kept))
        weights = (slots < cursor).astype(points.weights.dtype)
        return Rows(kept, weights, jnp.zeros_like(slots, jnp.int32), cursor)

    return {
        "nothing": NOTHING,
        "real": NOTHING._replace(union=concatenate),
        "window": Memory(
            empty=window_empty,
            add=window_add,
            union=lambda memory, points, first: jax.tree.map(
                lambda a: a.reshape(-1, *a.shape[2:]), memory
            ),
            grow=lambda memory, capacity: pad(memory, max(capacity.real, capacity.new), axis=1),
        ),
        "all": Memory(
            empty=all_empty,
            add=all_add,
            union=all_union,
            grow=lambda memory, capacity: (pad(memory[0], capacity.kept), memory[1]),
        ),
    }


def statistics_memories(window: int, moments: Moments) -> dict[str, Memory]:
    """Memories of sufficient statistics: what is kept is merged, so nothing grows."""

    merge = jax.vmap(moments.merge)  # statistics carry a leading axis of one

    def zeros(points):
        return jax.tree.map(jnp.zeros_like, points)

    return {
        "nothing": NOTHING,
        "real": NOTHING._replace(union=lambda memory, points, first: merge(first(), points)),
        "window": Memory(
            empty=lambda points, capacity: [zeros(points)] * window,
            add=lambda memory, points, capacity: [*memory[1:], points],
            union=lambda memory, points, first: functools.reduce(merge, memory),
        ),
        "all": Memory(
            empty=lambda points, capacity: zeros(points),
            add=lambda memory, points, capacity: merge(memory, points),
            union=lambda memory, points, first: memory,
        ),
    }


def with_last(memory: Memory) -> Memory:
    """`memory`, and the rows that were added last."""

    def padded(points, capacity):
        return pad(points, max(capacity.real, capacity.new))

    def empty(points, capacity):
        return WithLast(memory.empty(points, capacity), padded(points, capacity))

    def add(remembered, points, capacity):
        kept = memory.add(remembered.kept, points, capacity)
        return WithLast(kept, padded(points, capacity))

    def union(remembered, points, first):
        return memory.union(remembered.kept, points, first)

    def grow(remembered, capacity):
        return WithLast(memory.grow(remembered.kept, capacity), padded(remembered.last, capacity))

    return Memory(empty, add, union, grow)


def recipe_memories(window: int) -> dict[str, Memory]:
    """Memories of recipes, each of one data set; `there` says which slots hold one."""

    def stacked(recipes):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *recipes)

    def first_and_new(memory, recipe, first):
        return stacked([first(), recipe]), jnp.ones(2, bool)

    def slots(recipe, num):
        empty = jax.tree.map(lambda a: jnp.zeros((num, *a.shape), a.dtype), recipe)
        return empty, jnp.zeros(num, bool)

    def window_add(memory, recipe, capacity):
        recipes, there = memory
        recipes = jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b[None]]), recipes, recipe)
        return recipes, jnp.append(there[1:], True)

    def all_add(memory, recipe, capacity):
        recipes, there = memory
        place = there.sum()
        recipes = jax.tree.map(lambda a, b: a.at[place].set(b), recipes, recipe)
        return recipes, there.at[place].set(True)

    def remembered(memory, recipe, first):
        return memory

    return {
        "nothing": NOTHING._replace(
            union=lambda memory, recipe, first: (stacked([recipe]), jnp.ones(1, bool))
        ),
        "real": NOTHING._replace(union=first_and_new),
        "window": Memory(
            empty=lambda recipe, capacity: slots(recipe, window), add=window_add, union=remembered
        ),
        "all": Memory(
            empty=lambda recipe, capacity: slots(recipe, capacity.kept),
            add=all_add,
            union=remembered,
            grow=lambda memory, capacity: pad(memory, capacity.kept),
        ),
    }

"""A fork's inheritance: its source's generations, copied as the first segments of its store."""

from collections.abc import Iterator

import jax
import numpy as np

from ouroboros_jax.checkpoint import Damaged
from ouroboros_jax.disk.store import Segment, Store, join
from ouroboros_jax.errors import UserError
from ouroboros_jax.forks.lineage import Origin, Place, fingerprint, places_in
from ouroboros_jax.programs.program import SEGMENT_BYTES, SEGMENT_GENERATIONS
from ouroboros_jax.results import Run, open_run
from ouroboros_jax.sweep import Group


def inherit(group: Group, store: Store, origin: Origin, source: Run | None = None) -> None:
    """Copy the source's generations into a fork's store, as far as these are missing there.

    Args:
      group: the fork's chains.
      store: of that group.
      origin: where the fork comes from.
      source: the source's run; opened from its folder if needed and not given.

    Raises:
      UserError: if generations are missing, and so is the source.
    """
    last = origin.generation
    reached = store.whole(last) if store.last() >= 0 else -1
    if reached >= last:
        return
    source = source or _open_source(origin, reached)
    store.truncate(reached, keep_state=False)
    for segment in _segments(source, places_in(group, source.groups), reached + 1, last):
        store.append(segment)


def _open_source(origin: Origin, reached: int) -> Run:
    lacks = f"generations {reached + 1} to {origin.generation} have to be copied from the source"
    if origin.workdir is None:
        raise UserError(f"{lacks}, which was kept in memory: fork it again")
    try:
        run = open_run(origin.workdir)
    except Damaged:
        raise
    except UserError as error:
        raise UserError(f"{lacks}: {error}") from None
    if fingerprint(run.config, run.manifest) != origin.source:
        raise UserError(f"{lacks}, and {origin.workdir} now holds another run")
    return run


def _segments(source: Run, places: list[Place], first: int, last: int) -> Iterator[Segment]:
    """The generations `first` to `last` of some of a run's chains."""
    numbers = sorted({number for number, _ in places})
    stores = [source.stores[number] for number in numbers]
    starts = np.cumsum([0] + [source.groups[number].num_chains for number in numbers])
    index = np.array([starts[numbers.index(number)] + place for number, place in places])

    def gathered(trees):
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[index], *trees)

    kept = set.intersection(*(set(store.kept()) for store in stores))
    metrics = [_rows(store, last) for store in stores]
    none = jax.tree.map(lambda a: a[None][:0], gathered([store.params(0) for store in stores]))
    waiting: list[Segment] = []
    for generation in range(first, last + 1):
        rows = [of_store[generation] for of_store in metrics]
        names = [name for name in rows[0] if all(name in row for row in rows)]
        row = gathered([{name: row[name] for name in names} for row in rows])
        params = none
        if generation in kept:
            params = gathered([store.params(generation) for store in stores])
            params = jax.tree.map(lambda a: a[None], params)
        new = Segment(
            generation,
            params,
            {name: a[None] for name, a in row.items()},
            np.arange(generation, generation + (generation in kept), dtype=np.int32),
        )
        if waiting and _is_full(waiting, new):
            yield join(waiting)
            waiting = []
        waiting.append(new)
    yield join(waiting)


def _is_full(waiting: list[Segment], new: Segment) -> bool:
    """Whether a generation begins a new segment: the one before is large, or of other shapes."""
    shapes = [{name: a.shape for name, a in part.metrics.items()} for part in (waiting[-1], new)]
    size = sum(part.num_bytes for part in (*waiting, new))
    return shapes[0] != shapes[1] or len(waiting) == SEGMENT_GENERATIONS or size > SEGMENT_BYTES


def _rows(store: Store, last: int) -> list[dict[str, np.ndarray]]:
    """Metrics of each generation up to `last`, [C, ...]."""
    rows = []
    for first, metrics in store.segments():
        if first > last:
            break
        num = len(metrics["status"])
        rows += [{name: a[i] for name, a in metrics.items()} for i in range(num)]
    return rows

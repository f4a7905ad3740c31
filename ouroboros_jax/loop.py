"""The host loop of one group: segments of generations, from where the store left off to the end.

Everything impure about running happens here and in `experiment.py`: clocks, disk, progress. How
many generations a device call gets is a matter of time alone; it decides no bits.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ouroboros_jax.chain import FROZEN
from ouroboros_jax.checkpoint import like
from ouroboros_jax.errors import UserError
from ouroboros_jax.program import SEGMENT_BYTES, SEGMENT_GENERATIONS, Program
from ouroboros_jax.progress import Progress, first_generation
from ouroboros_jax.report import Report
from ouroboros_jax.store import Segment, Store, join

CALL_SECONDS = 3.0  # what a device call aims at, so that progress shows
LARGE_CALL_SECONDS = 15.0  # where a call must first copy a large state in and out
LARGE_BYTES = 256 << 20
COMMIT_SECONDS = 20.0  # what a cut may lose


def run_group(
    program: Program,
    store: Store,
    generations: int,
    *,
    every: int,
    report: Report,
    clock: dict[str, float],
) -> None:
    """Run a group's chains to generation `generations`, storing as it goes.

    Args:
      program: the group's compiled functions.
      store: holds what was run before, and receives the rest.
      generations: the last generation.
      every: keep the parameters of every so many generations, and of the last.
      report: told what is being done and the generation reached.
      clock: seconds by kind, added to.
    """
    pending: list[Segment] = []
    progress = restore(program, store, report.note)
    committed = time.monotonic()

    def take(first, params, metrics):
        numbers = np.arange(first, first + len(metrics["status"]), dtype=np.int32)
        keep = (numbers % every == 0) | (numbers == generations)
        pending.append(
            Segment(first, jax.tree.map(lambda a: a[keep], params), metrics, numbers[keep])
        )

    def commit():
        nonlocal committed
        if pending:
            start = time.monotonic()
            store.append(join(pending))
            if pending[-1].last == progress.generation:
                store.save_state(progress.generation, portable(progress))
            pending.clear()
            committed = time.monotonic()
            clock["store"] = clock.get("store", 0.0) + committed - start

    try:
        if progress is None:
            report.step("compiling the first fit", 0)
            progress, metrics = first_generation(program)
            take(0, jax.tree.map(lambda a: a[None], progress.params()), metrics)
            report.step("running", 0)
        rate, fresh = 0.0, True
        seconds_wanted = LARGE_CALL_SECONDS if _is_large(program, generations) else CALL_SECONDS
        while progress.generation < generations:
            most = min(generations - progress.generation, program.segment_length)
            capacity = progress.capacity
            num = progress.stretch(max(1, min(most, int(rate * seconds_wanted))) if rate else 1)
            fresh = fresh or program.capacity(progress.generation + num) != capacity
            if fresh:
                report.step("compiling the loop", progress.generation)
            start = time.monotonic()
            params, metrics = progress.advance(num)
            seconds = time.monotonic() - start
            clock["compile" if fresh else "run"] = (
                clock.get("compile" if fresh else "run", 0.0) + seconds
            )
            take(progress.generation - num + 1, params, metrics)
            # The first call of a program compiles: the next one is timed, with a guess at most.
            rate = 4 / seconds_wanted if fresh else num / max(seconds, 1e-6)
            fresh = False
            report.step("running", progress.generation)
            if (
                sum(len(part.metrics["status"]) for part in pending) >= SEGMENT_GENERATIONS
                or sum(part.num_bytes for part in pending) >= SEGMENT_BYTES
                or time.monotonic() - committed > COMMIT_SECONDS
            ):
                commit()
    finally:
        if progress is not None:
            commit()


def _is_large(program: Program, generations: int) -> bool:
    memory = program.memory_bytes(program.capacity(generations))
    return memory * program.group.num_chains > LARGE_BYTES


def portable(progress: Progress) -> Any:
    """The state as host arrays [C, ...], for any number of devices; large memories left out."""
    state = progress.state
    if progress.program.kept_growth:
        state = state._replace(memory=())
    leaves = jax.tree.leaves(progress.program.layout.join(state))
    return {f"{i:04d}": leaf for i, leaf in enumerate(leaves)}


def is_complete(store: Store, generation: int) -> bool:
    """Whether everything up to `generation` is there, committed and whole."""
    saved = store.load_state() if store.last() >= generation else None
    return saved is not None and saved[0] >= generation and store.whole() >= generation


def restore(
    program: Program, store: Store, note: Callable[[str], None] = lambda line: None
) -> Progress | None:
    """Where the store left off, on the devices; None at the beginning.

    What is newer than the newest state, or damaged, is dropped. Where the state itself is damaged
    or left out its memory, it is drawn again from the stored parameters; where those are thinned,
    the group begins again. `note` is told which.
    """
    last = store.last()
    if last < 0:
        return None
    saved, whole = store.load_state(), store.whole()
    if whole < last:
        note(f"generation {whole + 1} is damaged: going back to the newest whole one")
    generation = whole
    if saved is not None and saved[0] <= whole:
        generation = saved[0]
    else:
        saved = None
    progress = None
    if generation >= 0:
        store.truncate(generation)
        if saved is None or program.kept_growth:
            progress = replay(program, store, generation)
        else:
            progress = _load(program, store, generation, saved[1])
    if progress is None:
        note("beginning again: the parameters that its points could be drawn from are not all kept")
        store.truncate(-1)
    else:
        note(f"resuming after generation {generation}")
    return progress


def _load(program: Program, store: Store, generation: int, leaves: dict[str, Any]) -> Progress:
    ordered = [leaves[name] for name in sorted(leaves)]
    treedef = jax.tree.structure(program.state_shapes)
    state = program.layout.split(jax.tree.unflatten(treedef, ordered))
    reference = like(program.state_shapes.params, store.params(0))
    reference = program.layout.split(reference)
    return Progress(program, state, reference, generation, program.capacity(generation))


def replay(program: Program, store: Store, generation: int) -> Progress | None:
    """The chains at a stored generation, their memory drawn again from keys and parameters.

    None where parameters on the way were not kept, or cannot be read.
    """
    try:
        return rebuild(program, store, generation)
    except UserError:
        return None


def rebuild(program: Program, store: Store, generation: int) -> Progress:
    """`replay`, or the error that says which parameters are missing.

    Raises:
      UserError: for generations that were thinned out; `Damaged` for ones that cannot be read.
    """

    def params(g):
        return like(program.state_shapes.params, store.params(max(g, 0)))

    num_lags = 1 + len(program.state_shapes.past)
    progress, _ = first_generation(program)
    if jax.tree.leaves(program.state_shapes.memory):
        while progress.generation < generation:
            most = min(program.segment_length, generation - progress.generation)
            num = progress.stretch(most)
            models = []
            for lag in range(1, num_lags + 1):
                known = [params(progress.generation + 1 + i - lag) for i in range(num)]
                models.append(jax.tree.map(lambda *arrays: np.stack(arrays), *known))
            progress.replay(tuple(models), num)
    frozen = np.zeros(program.group.num_chains, bool)
    for first, metrics in store.segments():
        if first <= generation < first + len(metrics["status"]):
            frozen = metrics["status"][generation - first] == FROZEN
    split = program.layout.split
    state = progress.state._replace(
        generation=split(np.full(program.group.num_chains, generation, np.int32)),
        params=split(params(generation)),
        past=tuple(split(params(generation - lag)) for lag in range(1, num_lags)),
        frozen=split(frozen),
    )
    capacity = progress.capacity if progress.generation else program.capacity(generation)
    return Progress(program, state, progress.reference, generation, capacity)

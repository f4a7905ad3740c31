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
from ouroboros_jax.disk.store import Segment, Store, join
from ouroboros_jax.errors import UserError
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.host.report import Report
from ouroboros_jax.programs.program import SEGMENT_BYTES, SEGMENT_GENERATIONS, Program

CALL_SECONDS = 3.0  # what a device call aims at, so that progress shows
LARGE_CALL_SECONDS = 15.0  # where a call copies a large memory, block by block, in and out
LARGE_BYTES = 256 << 20
COMMIT_SECONDS = 20.0  # what a cut may lose,
COMMIT_SHARE = 20  # or this many times what storing took, so that it takes a twentieth at most
PIECES = 1_000_000  # more than a generation has


def run_group(
    program: Program,
    store: Store,
    generations: int,
    *,
    every: int,
    metrics_every: int = 1,
    report: Report,
    clock: dict[str, float],
) -> None:
    """Run a group's chains to generation `generations`, storing as it goes.

    Args:
      program: the group's compiled functions.
      store: holds what was run before, and receives the rest.
      generations: the last generation.
      every: keep the parameters of every so many generations, and of the last.
      metrics_every: keep the metrics of every so many, and of the last; NaN stands for the others.
      report: told what is being done and the generation reached.
      clock: seconds by kind, added to.
    """
    pending: list[Segment] = []
    progress = restore(program, store, report.note)
    committed, took, saved = time.monotonic(), 0.0, saved_as(progress)

    def take(params, metrics):
        first = progress.generation + 1 - len(metrics["status"])
        numbers = np.arange(first, progress.generation + 1, dtype=np.int32)
        keep = (numbers % every == 0) | (numbers == generations)
        metrics = _thinned(metrics, (numbers % metrics_every == 0) | (numbers == generations))
        pending.append(
            Segment(first, jax.tree.map(lambda a: a[keep], params), metrics, numbers[keep])
        )

    def is_due():
        return (
            sum(len(part.metrics["status"]) for part in pending) >= SEGMENT_GENERATIONS
            or sum(part.num_bytes for part in pending) >= SEGMENT_BYTES
            or time.monotonic() - committed > max(COMMIT_SECONDS, COMMIT_SHARE * took)
        )

    def commit():
        nonlocal committed, took, saved
        start = time.monotonic()
        if pending:
            store.append(join(pending))
            pending.clear()
        number = saved_as(progress)
        if store.last() == progress.generation and number > saved:
            store.save_state(number, portable(progress))
            saved = number
        committed = time.monotonic()
        took = committed - start
        clock["store"] = clock.get("store", 0.0) + took

    rate, programs = 0.0, set()
    seconds_wanted = LARGE_CALL_SECONDS if _is_large(program, generations) else CALL_SECONDS
    try:
        while progress.generation < generations:
            most = min(generations - progress.generation, program.segment_length)
            num = progress.stretch(max(1, min(most, int(rate * seconds_wanted))) if rate else 1)
            fresh = not programs >= (needed := _compiled(progress, num))
            programs |= needed
            if fresh:
                is_alone = progress.generation < 0 and not program.from_blank
                what = "the first fit" if is_alone else "the loop"
                report.step(f"compiling {what}", progress.done - 1)
            start = time.monotonic()
            out = progress.work(num)
            seconds = time.monotonic() - start
            kind = "compile" if fresh else "run"
            clock[kind] = clock.get(kind, 0.0) + seconds
            if out is not None:
                take(*out)
            # The first call of a program compiles: the next one is timed, with a guess at most.
            rate = 4 / seconds_wanted if fresh else num / max(seconds, 1e-6)
            report.step("running", progress.done - 1)
            if is_due():
                commit()
    finally:
        commit()


def _thinned(metrics: dict[str, np.ndarray], keep: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics with NaN at the other generations, which takes no room once it is compressed."""
    if keep.all():
        return metrics
    return {
        name: np.where(keep.reshape(-1, *(1,) * (a.ndim - 1)), a, np.nan).astype(a.dtype)
        if a.dtype.kind == "f"
        else a
        for name, a in metrics.items()
    }


def _compiled(progress: Progress, num: int) -> set[Any]:
    """What tells the programs that a piece of work needs from those of others."""
    capacity = progress.program.capacity(progress.generation + num)
    if progress.program.learner.hosted:
        return {(progress.piece, min(progress.generation, 0), capacity)}
    if progress.program.from_blank:
        return {capacity}
    return {(min(progress.generation, 0), capacity)}


def _is_large(program: Program, generations: int) -> bool:
    memory = program.memory_bytes(program.capacity(generations))
    return memory * program.group.num_chains > LARGE_BYTES


def saved_as(progress: Progress) -> int:
    """The number of a state, which grows with every piece of every generation and with its end."""
    pieces = len(progress.drawn) + (progress.fit.step if progress.fit else 0)
    return (progress.generation + 1) * (PIECES if progress.program.learner.hosted else 1) + pieces


def portable(progress: Progress) -> dict[str, Any]:
    """What going on needs, as host arrays [C, ...] for any number of devices.

    What can be drawn again cheaply is left out: large memories, and the pool of a begun fit; what
    the host draws in parts is not cheap.
    """
    join = progress.program.layout.join
    tree: dict[str, Any] = {"generation": np.int32(progress.generation)}
    if progress.state is not None:
        state = progress.state
        if progress.program.draws_memory_again:
            state = state._replace(memory=())
        tree["state"] = _numbered(join(state))
    if progress.drawn:
        tree["drawn"] = _numbered(progress.drawn_rows())
    if progress.fit is not None and progress.fit.step:
        tree["fit"] = _numbered(join(progress.fit.fit.fit_state))
        tree["step"] = np.int32(progress.fit.step)
        if progress.fit.curves:
            tree["curves"] = progress.fit.curves
    return tree


def _numbered(tree: Any) -> dict[str, Any]:
    return {f"{i:04d}": leaf for i, leaf in enumerate(jax.tree.leaves(tree))}


def _in_order(leaves: dict[str, Any]) -> list[Any]:
    return [leaves[name] for name in sorted(leaves)]


def is_complete(store: Store, generation: int) -> bool:
    """Whether everything up to `generation` is there, committed and whole."""
    saved = store.load_state() if store.last() >= generation else None
    return saved is not None and saved["generation"] >= generation and store.whole() >= generation


def restore(
    program: Program, store: Store, note: Callable[[str], None] = lambda line: None
) -> Progress:
    """Where the store left off, on the devices; before generation 0 at the beginning.

    What is newer than the newest state, or damaged, is dropped. Where the state itself is damaged
    or left out its memory, it is drawn again from the stored parameters; where those are thinned,
    the group begins again: a fork's after what it has from its source. `note` is told which.
    """
    last, saved = store.last(), store.load_state()
    whole = store.whole() if last >= 0 else -1
    if whole < last:
        note(f"generation {whole + 1} is damaged: going back to the newest whole one")
    if saved is not None and saved["generation"] > whole:
        saved = None
    generation = whole if saved is None else int(saved["generation"])
    if last < 0 and saved is None:
        return Progress(program)
    store.truncate(generation, keep_state=saved is not None)
    progress = Progress(program)
    if generation >= 0:
        if saved is None or program.draws_memory_again:
            progress = replay(program, store, generation)
        else:
            progress = _load(program, store, generation, saved["state"])
    if progress is None:
        note("beginning again: the parameters that its points could be drawn from are not all kept")
        forked = program.group.forked
        store.truncate(forked, keep_state=False)
        return rebuild(program, store, forked) if forked >= 0 else Progress(program)
    if saved is not None and "drawn" in saved:
        progress.resume_draw(_in_order(saved["drawn"]))
    if saved is not None and "fit" in saved:
        step = int(saved["step"])
        progress.resume(_in_order(saved["fit"]), step, saved.get("curves", {}))
        note(f"resuming generation {generation + 1} after step {step}")
    elif generation >= 0:
        note(f"resuming after generation {generation}")
    return progress


def _load(program: Program, store: Store, generation: int, leaves: dict[str, Any]) -> Progress:
    treedef = jax.tree.structure(program.state_shapes)
    state = program.layout.split(jax.tree.unflatten(treedef, _in_order(leaves)))
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

    progress = Progress.known(program, params(0))
    if jax.tree.leaves(program.state_shapes.memory):
        while progress.generation < generation:
            most = min(program.segment_length, generation - progress.generation)
            num = program.within_era(progress.generation + 1, progress.stretch(most))
            models = []
            for lag in range(1, program.reach + 1):
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
        past=tuple(
            split(params(generation - 1 - lag)) for lag in range(len(program.state_shapes.past))
        ),
        frozen=split(frozen),
    )
    capacity = progress.capacity if progress.generation else program.capacity(generation)
    return Progress(program, state, progress.reference, generation, capacity)

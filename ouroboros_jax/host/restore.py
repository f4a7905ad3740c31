"""Saving a group's chains to disk, and restoring them.

A state holds what the next generation needs, less what can be redrawn from the parameters, which
are on disk already.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ouroboros_jax.chain import FROZEN
from ouroboros_jax.checkpoint import like
from ouroboros_jax.disk.store import Store
from ouroboros_jax.errors import UserError
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.programs.program import Program

PIECES = 1_000_000  # more pieces than a generation has


def saved_as(progress: Progress) -> int:
    """The number of a state, which grows with every piece of every generation and with its end."""
    pieces = len(progress.drawn) + (progress.fit.step if progress.fit else 0)
    return (progress.generation + 1) * (PIECES if progress.program.learner.hosted else 1) + pieces


def portable(progress: Progress) -> dict[str, Any]:
    """What resuming needs, as host arrays [C, ...] for any number of devices.

    What can be redrawn cheaply is left out: large memories, and the pool of a begun fit. The host's
    draws in parts are kept, since they are not cheap.
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
    """Whether everything up to `generation` is on disk, committed and undamaged."""
    saved = store.load_state() if store.last() >= generation else None
    return saved is not None and saved["generation"] >= generation and store.whole() >= generation


def restore(
    program: Program, store: Store, note: Callable[[str], None] = lambda line: None
) -> Progress:
    """Load the state where the store left off onto the devices; for an empty store, before
    generation 0.

    Anything newer than the last saved state, or damaged, is dropped. If the state is damaged or was
    saved without its memory, it is rebuilt from the stored parameters; if those were thinned out,
    the group starts again (a fork: after the generations copied from its source). `note` reports
    which.
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
    return Progress(program, state, reference, generation, program.sizes.capacity(generation))


def replay(program: Program, store: Store, generation: int) -> Progress | None:
    """The chains at a stored generation, their memory drawn again from keys and parameters.

    None if parameters on the way were not kept, or cannot be read.
    """
    try:
        return rebuild(program, store, generation)
    except UserError:
        return None


def rebuild(program: Program, store: Store, generation: int) -> Progress:
    """`replay`, or the error that says which parameters are missing.

    Raises:
      UserError: if generations were thinned out; `Damaged` if they cannot be read.
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
    capacity = progress.capacity if progress.generation else program.sizes.capacity(generation)
    return Progress(program, state, progress.reference, generation, capacity)

"""Compiling ahead: the programs of the next groups, while the current one runs.

Compilation keeps one core busy, and a run of small chains rarely all of them. So a sweep of many
shapes takes about as long as compiling or running, whichever is longer.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import jax

from ouroboros_jax.host.progress import Progress
from ouroboros_jax.programs.program import Program

GROUPS_AHEAD = 4  # their real data and compiled functions are all in memory


def compiled_ahead(
    makers: Sequence[Callable[[], Program] | None], *, x64: bool
) -> Iterator[Program | None]:
    """The programs that `makers` build, in order; None for a maker that is None.

    While one is in use, the next ones are built and compiled (not run) on half of the cores.
    """
    if sum(maker is not None for maker in makers) < 2:
        yield from (maker() if maker else None for maker in makers)
        return

    one_at_a_time, is_over = threading.Lock(), threading.Event()

    def prepare(maker) -> Program:
        with jax.enable_x64(x64):
            with one_at_a_time:  # it loads real data, and may prepare them on disk
                program = maker()
            if not program.learner.hosted:
                for _ in Progress(program).compiling(program.group.point["generations"]):
                    if is_over.is_set():
                        break
        return program

    with ExitStack() as stack:
        stack.callback(is_over.set)
        workers = min(max(1, (os.cpu_count() or 1) // 2), GROUPS_AHEAD)
        executor = ThreadPoolExecutor(workers, "compile-ahead")
        stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        coming: dict[int, Future[Program]] = {}
        ordered = 0
        for place, maker in enumerate(makers):
            for i in range(ordered, min(place + 1 + GROUPS_AHEAD, len(makers))):
                if makers[i] is not None:
                    coming[i] = executor.submit(prepare, makers[i])
                ordered = i + 1
            yield coming.pop(place).result() if maker is not None else None

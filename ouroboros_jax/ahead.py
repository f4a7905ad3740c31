"""Programs one group ahead: the next is compiled while the one before runs.

Compilation keeps one core busy and a run of small chains rarely all of them, so a sweep of many
shapes takes about as long as the longer of the two.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import jax

from ouroboros_jax.program import Program
from ouroboros_jax.progress import Progress

WARM_BYTES = 256 << 20  # of what chains remember: above it two groups at once are too many


def one_ahead(
    makers: Sequence[Callable[[], Program] | None], *, x64: bool
) -> Iterator[Program | None]:
    """The programs that `makers` build, in order; None where a maker is None.

    While one is in use the next is built and run for two generations, whose results are thrown
    away: what is compiled serves the real ones.
    """
    if sum(maker is not None for maker in makers) < 2:
        yield from (maker() if maker else None for maker in makers)
        return

    def prepare(maker) -> Program:
        with jax.enable_x64(x64):
            program = maker()
            generations = program.group.point["generations"]
            memory = program.memory_bytes(program.capacity(generations)) * program.group.num_chains
            if not program.learner.hosted and generations and memory < WARM_BYTES:
                progress = Progress(program)
                progress.work(1)
                progress.work(1)
        return program

    with ExitStack() as stack:
        executor = ThreadPoolExecutor(1, "compile-ahead")
        stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        coming: dict[int, Future[Program]] = {}

        def order(place: int) -> None:
            nearest = next((i for i in range(place, len(makers)) if makers[i]), None)
            if nearest is not None and nearest not in coming:
                coming[nearest] = executor.submit(prepare, makers[nearest])

        for place, maker in enumerate(makers):
            if maker is None:
                yield None
                continue
            order(place)
            program = coming.pop(place).result()
            order(place + 1)
            yield program

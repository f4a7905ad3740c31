"""The host loop of one group: segments of generations, from where the store left off to the end.

Everything impure about running happens here and in `experiment.py`: clocks, disk, progress. How
many generations a device call gets is a matter of timing alone; it does not affect bits.
"""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from ouroboros_jax.base import Params
from ouroboros_jax.disk.store import Segment, Store, join
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.host.report import Report
from ouroboros_jax.host.restore import portable, restore, saved_as
from ouroboros_jax.programs.program import SEGMENT_BYTES, SEGMENT_GENERATIONS, Program

CALL_SECONDS = 3.0  # the target for a device call, so that progress shows
LARGE_CALL_SECONDS = 15.0  # if a call copies a large memory, block by block, in and out
LARGE_BYTES = 256 << 20
COMMIT_SECONDS = 20.0  # the most that an interruption loses,
# ... or this many times the duration of a save, so that saving takes at most a twentieth.
COMMIT_SHARE = 20


@dataclasses.dataclass(frozen=True)
class Retention:
    """Which generations leave something on disk."""

    last: int
    every: int = 1  # keep the parameters of every so many, and of the last
    metrics_every: int = 1  # keep the metrics likewise; NaN for the others

    def segment(self, first: int, params: Params, metrics: dict[str, np.ndarray]) -> Segment:
        """What is kept of generations from `first` on, leaves [L, C, ...]."""
        numbers = np.arange(first, first + len(metrics["status"]), dtype=np.int32)
        keep = (numbers % self.every == 0) | (numbers == self.last)
        metrics = _thinned(metrics, (numbers % self.metrics_every == 0) | (numbers == self.last))
        return Segment(first, jax.tree.map(lambda a: a[keep], params), metrics, numbers[keep])


def run_group(
    program: Program, store: Store, retention: Retention, *, report: Report, clock: dict[str, float]
) -> None:
    """Run a group's chains to generation `retention.last`, storing as it goes.

    Args:
      program: the group's compiled functions.
      store: holds what was run before, and receives the rest.
      retention: which generations leave something.
      report: receives what is being done and the generation reached.
      clock: seconds by kind, added to.
    """
    progress = restore(program, store, report.note)
    report.resume(progress.generation)
    storing, pace = _Storing(progress, store, retention, clock), _Pace(program, retention.last)
    try:
        while progress.generation < retention.last:
            num = progress.stretch(min(pace.next, retention.last - progress.generation))
            if is_new := pace.meets_new(progress, num):
                report.step(f"compiling {progress.piece}", progress.done - 1)
            start = time.monotonic()
            out = progress.work(num)
            seconds = time.monotonic() - start
            _add(clock, "compile" if is_new else "run", seconds)
            pace.took(num, seconds, is_new)
            if out is not None:
                storing.take(*out)
            report.step("running", progress.done - 1)
            if storing.is_due:
                storing.commit()
    finally:
        storing.commit()


class _Pace:
    """How many generations a call gets: as many as take about the target time."""

    def __init__(self, program: Program, last: int):
        memory = program.memory_bytes(program.sizes.capacity(last)) * program.group.num_chains
        self._seconds = LARGE_CALL_SECONDS if memory > LARGE_BYTES else CALL_SECONDS
        self._most = program.segment_length
        self._met: set[Any] = set()  # programs that have been called
        self.next = 1

    def meets_new(self, progress: Progress, num: int) -> bool:
        """Whether the next `num` generations, or the next piece of one, need a program that has not
        been called before and has to be compiled."""
        capacity = progress.program.sizes.capacity(progress.generation + num)
        key = capacity, progress.piece
        is_new = key not in self._met
        self._met.add(key)
        return is_new

    def took(self, num: int, seconds: float, is_new: bool) -> None:
        """Record the duration of a call. A program's first call includes compilation and predicts
        nothing, so a short call is timed next."""
        wanted = 4 if is_new else int(num / max(seconds, 1e-6) * self._seconds)
        self.next = max(1, min(wanted, self._most))


class _Storing:
    """Generations on their way to the store, which takes several at a time."""

    def __init__(
        self, progress: Progress, store: Store, retention: Retention, clock: dict[str, float]
    ):
        self._progress, self._store = progress, store
        self._retention, self._clock = retention, clock
        self._waiting: list[Segment] = []
        self._saved = saved_as(progress)
        self._committed, self._took = time.monotonic(), 0.0

    def take(self, params: Params, metrics: dict[str, np.ndarray]) -> None:
        """The newest generations, leaves [L, C, ...]."""
        first = self._progress.generation + 1 - len(metrics["status"])
        self._waiting.append(self._retention.segment(first, params, metrics))

    @property
    def is_due(self) -> bool:
        """Whether enough is waiting, or has waited long enough."""
        return (
            sum(len(part.metrics["status"]) for part in self._waiting) >= SEGMENT_GENERATIONS
            or sum(part.num_bytes for part in self._waiting) >= SEGMENT_BYTES
            or time.monotonic() - self._committed > max(COMMIT_SECONDS, COMMIT_SHARE * self._took)
        )

    def commit(self) -> None:
        """Store what is waiting, then the state to resume from."""
        start = time.monotonic()
        if self._waiting:
            self._store.append(join(self._waiting))
            self._waiting.clear()
        number = saved_as(self._progress)
        if self._store.last() == self._progress.generation and number > self._saved:
            self._store.save_state(number, portable(self._progress))
            self._saved = number
        self._committed = time.monotonic()
        self._took = self._committed - start
        _add(self._clock, "store", self._took)


def _add(clock: dict[str, float], kind: str, seconds: float) -> None:
    clock[kind] = clock.get(kind, 0.0) + seconds


def _thinned(metrics: dict[str, np.ndarray], keep: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics, with NaN at generations not to keep, which compresses to nothing."""
    if keep.all():
        return metrics
    return {
        name: np.where(keep.reshape(-1, *(1,) * (a.ndim - 1)), a, np.nan).astype(a.dtype)
        if a.dtype.kind == "f"
        else a
        for name, a in metrics.items()
    }

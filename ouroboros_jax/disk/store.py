"""Storage for a group's generations: in memory, or as Orbax steps on disk.

A store holds segments, `first..last` generations each, with the metrics of all of them and the
parameters of those that `store.every` keeps; and the newest state, which the next segment needs. On
disk the state is written last: its commit is the run's commit point.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ouroboros_jax.checkpoint import Damaged, Steps, plain
from ouroboros_jax.errors import UserError

# Orbax reserves the name "metrics".
PARAMS, MEASURED, STATE = "params", "measured", "state"


class Segment(NamedTuple):
    """Consecutive generations, arrays [generation, chain, ...]."""

    first: int
    params: Any  # of the kept generations
    metrics: dict[str, np.ndarray]  # of all
    kept: np.ndarray  # int32, the generations that `params` holds

    @property
    def last(self) -> int:
        """The last generation, which numbers the segment."""
        return self.first + len(self.metrics["status"]) - 1

    @property
    def num_bytes(self) -> int:
        """Bytes of its arrays."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves((self.params, self.metrics)))


def join(parts: list[Segment]) -> Segment:
    """Consecutive segments as one."""

    def concatenate(*trees):
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *trees)

    return Segment(
        parts[0].first,
        concatenate(*(part.params for part in parts)),
        concatenate(*(part.metrics for part in parts)),
        np.concatenate([part.kept for part in parts]),
    )


class MemoryStore:
    """Segments of one group, in memory."""

    def __init__(self):
        self._segments: list[Segment] = []
        self._state: dict[str, Any] | None = None

    def append(self, segment: Segment) -> None:
        """Keep a segment that follows the ones before."""
        self._segments.append(segment._replace(params=plain(segment.params)))

    def save_state(self, number: int, state: dict[str, Any]) -> None:
        """Keep the state to resume from; numbers grow."""
        del number
        self._state = plain(state)

    def load_state(self) -> dict[str, Any] | None:
        """The newest state."""
        return self._state

    def last(self) -> int:
        """The newest generation; -1 if there is none."""
        return self._segments[-1].last if self._segments else -1

    def whole(self, last: int | None = None) -> int:
        """The newest generation; nothing in memory is damaged."""
        return self.last() if last is None else min(last, self.last())

    def truncate(self, generation: int, *, keep_state: bool) -> None:
        """Drop generations after `generation`, and the state unless it is to be kept."""
        self._segments = [part for part in self._segments if part.last <= generation]
        if not keep_state:
            self._state = None

    def segments(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """First generation and metrics of every segment, in order."""
        for segment in self._segments:
            yield segment.first, segment.metrics

    def kept(self) -> list[int]:
        """The generations whose parameters are kept."""
        return [int(g) for segment in self._segments for g in segment.kept]

    def params(self, generation: int) -> Any:
        """Parameters of one generation, [C, ...].

        Raises:
          UserError: for a generation that was not run or not kept.
        """
        for segment in self._segments:
            if segment.first <= generation <= segment.last:
                return pick(segment.params, segment.kept, generation)
        raise not_there(generation, self.last())


class DiskStore:
    """Segments of one group, on disk: `generations` and `resume` are its directories."""

    def __init__(self, generations: Path, resume: Path, *, write: bool):
        self._write = write
        self._paths = generations, resume
        if write:
            generations.mkdir(parents=True, exist_ok=True)
            resume.mkdir(parents=True, exist_ok=True)
        self._generations = Steps(generations, cleans=write) if generations.is_dir() else None
        self._resume = None
        if resume.is_dir():
            self._resume = Steps(resume, only_newest=True, cleans=write)
        self._cached: tuple[int, Any] | None = None  # the parameters of one step
        self._masks: dict[int, np.ndarray] = {}  # which generations of a step are kept
        self._newest = -1  # the number of the state that was loaded

    def append(self, segment: Segment) -> None:
        """Write a segment; it counts once the state is written."""
        numbers = segment.first + np.arange(len(segment.metrics["status"]))
        # As a mask, since Orbax refuses empty arrays.
        measured = {"kept": np.isin(numbers, segment.kept), **segment.metrics}
        trees = {MEASURED: measured}
        if len(segment.kept):
            trees[PARAMS] = segment.params
        self._generations.save(segment.last, **trees)

    def save_state(self, number: int, state: dict[str, Any]) -> None:
        """Write the state to resume from; the highest number is the newest."""
        self._resume.save(number, **{STATE: state})

    def load_state(self) -> dict[str, Any] | None:
        """The newest undamaged state."""
        for step in reversed(self._resume.steps() if self._resume else []):
            try:
                state = self._resume.load(step, STATE)
                self._newest = step
                return state
            except Damaged:
                continue
        return None

    def last(self) -> int:
        """The newest stored generation; -1 if there is none."""
        steps = self._generations.steps() if self._generations else []
        return steps[-1] if steps else -1

    def truncate(self, generation: int, *, keep_state: bool) -> None:
        """Drop generations after `generation`, and all states but, if `keep_state`, the one that
        was loaded."""
        self._generations.drop_after(generation)
        self._resume.drop_after(self._newest if keep_state else -1)
        self._cached, self._masks = None, {}

    def segments(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """First generation and metrics of every segment, in order.

        Raises:
          Damaged: naming the generations that cannot be read.
        """
        for first, step in self._spans():
            metrics = self._measured(first, step)
            self._masks[step] = metrics.pop("kept")
            yield first, metrics

    def kept(self) -> list[int]:
        """The generations whose parameters are kept.

        Raises:
          Damaged: naming the generations that cannot be read.
        """
        return [
            int(generation)
            for first, step in self._spans()
            for generation in first + np.flatnonzero(self._mask(first, step))
        ]

    def whole(self, last: int | None = None) -> int:
        """The newest generation up to which everything can be read; -1 if nothing can.

        With `last`, segments beyond that generation are not checked.
        """
        newest = -1
        for first, step in self._spans():
            if last is not None and first > last:
                break
            try:
                if self._mask(first, step).any():
                    self._load(first, step, PARAMS)
            except Damaged:
                break
            newest = step
        return newest

    def params(self, generation: int) -> Any:
        """Parameters of one generation, [C, ...].

        Raises:
          UserError: for a generation that was not run or not kept.
          Damaged: naming the generations that cannot be read.
        """
        for first, step in self._spans():
            if first <= generation <= step:
                mask = self._mask(first, step)
                if self._cached is None or self._cached[0] != step:
                    self._cached = step, self._load(first, step, PARAMS) if mask.any() else {}
                return pick(self._cached[1], first + np.flatnonzero(mask), generation)
        raise not_there(generation, self.last())

    def _spans(self) -> Iterator[tuple[int, int]]:
        """First and last generation of every segment, if none is missing; a step has the number of
        its last."""
        first = 0
        for step in self._generations.steps() if self._generations else []:
            yield first, step
            first = step + 1

    def _mask(self, first: int, step: int) -> np.ndarray:
        """Which generations of a step are kept, bool."""
        if step not in self._masks:
            self._masks[step] = self._measured(first, step)["kept"]
        return self._masks[step]

    def _measured(self, first: int, step: int) -> dict[str, np.ndarray]:
        """A step's metrics, and which of its generations are kept."""
        measured = dict(self._load(first, step, MEASURED))
        begun = step + 1 - len(measured["kept"])
        if begun != first:
            folder = self._paths[0]
            raise Damaged(f"generations {first} to {begun - 1} are missing from {folder}")
        return measured

    def _load(self, first: int, step: int, name: str) -> Any:
        try:
            return self._generations.load(step, name)
        except Damaged as error:
            raise Damaged(f"generations {first} to {step} cannot be read: {error}") from error


Store = MemoryStore | DiskStore


def pick(params: Any, kept: np.ndarray, generation: int) -> Any:
    """One generation of a segment's parameters."""
    place = np.flatnonzero(kept == generation)
    if not len(place):
        raise UserError(
            f"generation={generation} was not kept: store.every thins the parameters of this run"
        )
    return jax.tree.map(lambda a: a[place[0]], params)


def not_there(generation: int, last: int) -> UserError:
    """The error for a generation that was not run."""
    if last < 0:
        return UserError(f"generation={generation}: this run has no generations yet")
    return UserError(f"generation={generation} is not there: expected 0 to {last}")

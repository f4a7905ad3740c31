"""A group's chains as they go: from one generation to the next, on the devices."""

import dataclasses

import jax
import numpy as np

from ouroboros_jax.base import Params
from ouroboros_jax.chain import State
from ouroboros_jax.memory import Capacity
from ouroboros_jax.program import Program


@dataclasses.dataclass
class Progress:
    """A group's chains at a generation, on the devices."""

    program: Program
    state: State
    reference: Params  # of generation 0
    generation: int
    capacity: Capacity

    def params(self) -> Params:
        """The parameters now, on the host, [C, ...]."""
        return self.program.layout.join(self.state.params)

    def stretch(self, most: int) -> int:
        """How many generations the next call may run."""
        return self.program.stretch(self.generation + 1, most)

    def advance(self, num: int) -> tuple[Params, dict[str, np.ndarray]]:
        """Run `num` generations, at most `stretch(...)`: parameters and metrics, [num, C, ...].

        Returns when they are on the host.
        """
        program, start = self.program, self.generation + 1
        self._make_room(start + num - 1)
        state, out = program.call(
            "_segment",
            self.capacity,
            program.segment_length,
            state=self.state,
            settings=program.settings(start, program.segment_length),
            reference=self.reference,
            num=num,
        )
        on_host = program.layout.join_segment(out, num)  # waits, and is where Ctrl-C lands
        self.state, self.generation = state, self.generation + num
        return on_host

    def replay(self, models: tuple[Params, ...], num: int) -> None:
        """Rebuild the memory of the next `num` generations, of known parameters.

        Args:
          models: of each lag the parameters those generations drew from, host arrays [num, C, ...].
          num: at most `stretch(...)` and the program's segment length.
        """
        program, start = self.program, self.generation + 1
        self._make_room(start + num - 1)
        length = program.segment_length

        def lay_out(a):
            padded = np.zeros((length, *a.shape[1:]), a.dtype)
            padded[:num] = a
            return np.moveaxis(padded, 0, 1)

        self.state = program.call(
            "_replay",
            self.capacity,
            state=self.state,
            settings=program.settings(start, length),
            models=program.layout.split(jax.tree.map(lay_out, models)),
            num=num,
        )
        self.generation += num

    def training_set(self):
        """The pool the next generation is fitted to, on the host, [C, ...]."""
        program, start = self.program, self.generation + 1
        self._make_room(start)
        settings = program.settings(start, 1)
        pool = program.call("_train", self.capacity, state=self.state, settings=settings)
        return program.layout.join(pool)

    def _make_room(self, generation: int) -> None:
        capacity = self.program.capacity(generation)
        if capacity != self.capacity:
            self.state = self.program.call("_grow", capacity, state=self.state)
            self.capacity = capacity


def first_generation(program: Program) -> tuple[Progress, dict[str, np.ndarray]]:
    """Generation 0 of a program's chains, and its metrics, [1, C, ...]."""
    capacity = program.capacity(0)
    state, metrics = program.call("_first", capacity, settings=program.settings(0, 1))
    metrics = jax.tree.map(lambda a: a[None], program.layout.join(metrics))
    return Progress(program, state, state.params, 0, capacity), metrics

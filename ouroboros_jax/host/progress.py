"""A group's chains in progress, from one generation to the next, on the devices.

`work` does a piece: a stretch of generations in one call; or, for a hosted learner, some rows of
the draw for its next fit, or one step of a fit.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from ouroboros_jax.base import Params
from ouroboros_jax.chain import Fit, State
from ouroboros_jax.keys import new_key
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.pools.realisation import part_size
from ouroboros_jax.programs.program import Program


class HalfFit(NamedTuple):
    """A fit half-way: the fit on the devices, and its steps' metrics, leaves [C, steps, ...]."""

    fit: Fit
    step: int  # steps done
    curves: dict[str, np.ndarray]


@dataclasses.dataclass
class Progress:
    """A group's chains at a generation, on the devices; -1 is before the first."""

    program: Program
    state: State | None = None
    reference: Params | None = None  # of generation 0
    generation: int = -1
    capacity: Capacity | None = None
    fit: HalfFit | None = None  # the next generation's fit
    drawn: list[Any] = dataclasses.field(default_factory=list)  # for it, on the host, [C, R, ...]

    @classmethod
    def known(cls, program: Program, params: Params) -> "Progress":
        """At generation 0, from its known parameters, host arrays [C, ...]; nothing is fitted."""
        capacity, params = program.sizes.capacity(0), program.layout.split(params)
        settings = program.settings(0, 1)
        state = program.call(
            "known", capacity, len(program.state_shapes.past), state=params, settings=settings
        )
        return cls(program, state, params, 0, capacity)

    def params(self) -> Params:
        """The parameters now, on the host, [C, ...]."""
        return self.program.layout.join(self.state.params)

    @property
    def done(self) -> float:
        """Generations done, including the fraction of a begun one."""
        done = len(self.drawn) + (self.fit.step if self.fit else 0)
        return self.generation + 1 + done / (self.num_turns + self.program.learner.num_steps)

    @property
    def num_turns(self) -> int:
        """Into how many calls the next generation's draw is split; 0: it is part of the fit."""
        if not self.program.chain.draws_in_parts or self.generation < 0:
            return 0
        capacity = self.program.sizes.capacity(self.generation + 1)
        return -(-capacity.new // part_size(self.program.learner, capacity))

    def stretch(self, most: int) -> int:
        """How many generations the next call may run."""
        alone = self.generation < 0 and not self.program.from_blank
        if alone or self.program.learner.hosted:
            return 1
        return self.program.sizes.stretch(self.generation + 1, most)

    def work(self, num: int) -> tuple[Params, dict[str, np.ndarray]] | None:
        """Run `num` generations, at most `stretch(...)`, or a piece of one.

        Returns:
          Parameters and metrics on the host, [num, C, ...]; None if the generation is unfinished.
        """
        if self.program.learner.hosted:
            return self._step()
        if self.generation < 0 and not self.program.from_blank:
            return self._first()
        return self.run_segment(num)

    def _first(self):
        name, args = self._to_first()
        state, metrics = self.program.call(*name, **args)
        return self._arrived(state, self.program.layout.join(metrics))

    def _to_first(self):
        program = self.program
        name = "first", program.sizes.capacity(0)
        return name, {"settings": program.settings(0, 1), **self._prepared}

    def _arrived(self, state: State, metrics) -> tuple[Params, dict[str, np.ndarray]]:
        """Advance by one generation, with metrics [C, ...]."""
        out = jax.tree.map(lambda a: a[None], (self.program.layout.join(state.params), metrics))
        self.state, self.fit, self.drawn = state, None, []
        self.generation += 1
        if self.generation == 0:
            self.reference, self.capacity = state.params, self.program.sizes.capacity(0)
        return out

    def run_segment(self, num: int) -> tuple[Params, dict[str, np.ndarray]]:
        """`num` generations in one call; generation 0 may be among them only if `from_blank`."""
        program, start = self.program, self.generation + 1
        if self.state is None:
            name, args = self._to_blank()
            self.state, self.capacity = program.call(*name, **args), program.sizes.capacity(0)
            self.reference = self.state.params  # a stand-in: generation 0 is its own reference
        self._make_room(start + num - 1)
        name, args = self._to_segment(start, self.capacity, self.state, self.reference)
        memory, (state, reference, out) = program.call(*name, num=num, **args)
        on_host = program.layout.join_segment(out, num)  # blocks; Ctrl-C arrives here
        state = state if memory is None else state._replace(memory=memory)
        self.state, self.reference, self.generation = state, reference, self.generation + num
        return on_host

    def _to_blank(self):
        program = self.program
        return ("blank", program.sizes.capacity(0)), {"settings": program.settings(0, 1)}

    def _to_segment(self, start: int, capacity: Capacity, state: State, reference: Params):
        program, memory = self.program, None
        if program.draws_memory_again:  # donated: a stored state does without it
            memory, state = state.memory, state._replace(memory=None)
        name = "segment", capacity, program.segment_length, program.from_blank
        settings = program.settings(start, program.segment_length)
        args = {"before": state, "reference": reference, "settings": settings}
        return name, {"state": memory, **args, **self._prepared}

    def compiling(self, generations: int) -> Iterator[None]:
        """Compile, one program at a time and without running any, every program that a run up to
        `generations` will call; not for hosted learners."""
        program, here = self.program, self.program.sizes.capacity(0)
        if program.from_blank:
            name, args = self._to_blank()
            state, start = program.compile(*name, **args), 0
        else:
            name, args = self._to_first()
            (state, _), start = program.compile(*name, **args), 1
            yield
        reference = state.params
        while start <= generations:
            if (capacity := program.sizes.capacity(start)) != here:
                state = program.compile("grow", capacity, state=state)
                here = capacity
            name, args = self._to_segment(start, capacity, state, reference)
            program.compile(*name, **args)
            yield
            start += program.sizes.stretch(start, generations + 1 - start)

    def begin(self) -> None:
        """Begin the next generation's fit: draw what it is fitted to."""
        program, generation = self.program, self.generation + 1
        settings = program.settings(generation, 1)
        if generation == 0:
            fit = program.call("start", program.sizes.capacity(0), settings=settings)
        else:
            self._make_room(generation)
            drawn = None
            if self.drawn:
                num = self.capacity.new
                drawn = program.layout.split(jax.tree.map(lambda a: a[:, :num], self.drawn_rows()))
            fit = program.call(
                "begin", self.capacity, state=self.state, settings=settings, drawn=drawn
            )
            # `fit.state` repeats the previous models; keep one copy, with the new memory.
            before = self.state._replace(memory=fit.state.memory)
            fit = fit._replace(state=before)
        self.fit = HalfFit(jax.block_until_ready(fit), 0, {})

    @property
    def piece(self) -> str:
        """What `work` does next, in words."""
        if not self.program.learner.hosted:
            is_alone = self.generation < 0 and not self.program.from_blank
            return "the first fit" if is_alone else "the loop"
        fit = "the first fit" if self.generation < 0 else "a fit"
        if self.fit is not None:
            return f"a step of {fit}"
        return "a draw" if len(self.drawn) < self.num_turns else f"the beginning of {fit}"

    def _draw(self) -> bool:
        """Draw some rows of the next generation's points; False if there are none left to draw."""
        program, turn = self.program, len(self.drawn)
        if turn >= self.num_turns:
            return False
        self._make_room(self.generation + 1)
        settings = program.settings(self.generation + 1, 1)
        rows = program.call("part", self.capacity, state=self.state, settings=settings, num=turn)
        self.drawn.append(program.layout.join(rows))
        return True

    def drawn_rows(self) -> Any:
        """The host's draws for the next generation, [C, rows, ...] from each model."""
        return jax.tree.map(lambda *parts: np.concatenate(parts, 1), *self.drawn)

    def _step(self):
        if self.fit is None:
            if not self._draw():
                self.begin()
            return None
        program, (fit, step, curves) = self.program, self.fit
        settings = program.settings(self.generation + 1, 1)
        if step < program.learner.num_steps:
            self.fit = None  # its state is donated: interrupted here, the fit resumes from disk
            fit_state, info = program.call(
                "advance",
                program.sizes.capacity(self.generation + 1),
                state=fit.fit_state,
                settings=settings,
                before=fit.state,
                pool=fit.pool,
                num=step,
            )
            info = jax.tree.map(lambda a: a[:, None], program.layout.join(info))
            if curves:
                info = jax.tree.map(lambda a, b: np.concatenate([a, b], 1), curves, info)
            self.fit = HalfFit(fit._replace(fit_state=fit_state), step + 1, info)
            if step + 1 < program.learner.num_steps:
                return None
        fit = self.fit.fit
        reference = {} if self.reference is None else {"reference": self.reference}
        state, metrics = program.call(
            "finish",
            state=fit.fit_state,
            settings=settings,
            before=fit.state,
            curves=program.layout.split(self.fit.curves),
            **reference,
            **self._prepared,
        )
        return self._arrived(state, program.layout.join(metrics))

    def resume_draw(self, leaves: list[np.ndarray]) -> None:
        """Resume the next generation's draw; leaves [C, rows, ...] of all rows drawn so far."""
        program, generation = self.program, self.generation + 1
        self._make_room(generation)
        size = part_size(program.learner, self.capacity)
        settings = jax.tree.map(lambda a: a[0, 0], program.settings(generation, 1))

        def rows(key, state):
            given = Given(key, settings, program.table, self.capacity)
            return program.chain.part(given, state, 0)

        shapes = jax.eval_shape(rows, new_key(0), program.state_shapes)
        treedef = jax.tree.structure(shapes)
        whole = leaves[0].shape[1] // size  # they may have been drawn in slices of another size
        self.drawn = [
            jax.tree.unflatten(treedef, [a[:, i * size : (i + 1) * size] for a in leaves])
            for i in range(min(whole, self.num_turns))
        ]

    def resume(self, fit_state: Any, step: int, curves: dict[str, np.ndarray]) -> None:
        """Resume the next generation's fit after `step` steps; host arrays, [C, ...]."""
        while self._draw():
            pass
        self.begin()
        split = self.program.layout.split
        shapes = jax.tree.structure(self.fit.fit.fit_state)
        fit_state = split(jax.tree.unflatten(shapes, fit_state))
        self.fit = HalfFit(self.fit.fit._replace(fit_state=fit_state), step, curves)

    def replay(self, models: tuple[Params, ...], num: int) -> None:
        """Rebuild the memory over the next `num` generations, whose parameters are known.

        Args:
          models: for each lag, the parameters they drew from, host arrays [num, C, ...].
          num: at most `stretch(...)` and the program's segment length, all of one era.
        """
        program, start = self.program, self.generation + 1
        self._make_room(start + num - 1)
        length = program.segment_length

        def lay_out(a):
            padded = np.zeros((length, *a.shape[1:]), a.dtype)
            padded[:num] = a
            return np.moveaxis(padded, 0, 1)

        self.state, _ = program.call(
            "replay",
            self.capacity,
            program.era(start),
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
        pool = program.call("pool", self.capacity, state=self.state, settings=settings)
        return program.layout.join(pool)

    @functools.cached_property
    def _prepared(self) -> dict[str, Any]:
        """What metrics need beyond parameters, made once, as keyword arguments of a call."""
        program = self.program
        if program.learner.prepare is None:
            return {"prepared": ()}
        return {"prepared": program.call("prepare", settings=program.settings(0, 1))}

    def _make_room(self, generation: int) -> None:
        capacity = self.program.sizes.capacity(generation)
        if capacity != self.capacity:
            self.state = self.program.call("grow", capacity, state=self.state)
            self.capacity = capacity


def first_generation(program: Program) -> tuple[Progress, dict[str, np.ndarray]]:
    """Generation 0 of a program's chains, and its metrics, [1, C, ...]."""
    progress = Progress(program)
    while (out := progress.work(1)) is None:
        pass
    return progress, out[1]

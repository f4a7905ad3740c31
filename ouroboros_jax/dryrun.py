"""What a config would cost: shapes, compilations, disk, memory and, on request, time."""

import time
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.checks import unread
from ouroboros_jax.config import flatten
from ouroboros_jax.host.progress import Progress, first_generation
from ouroboros_jax.host.report import duration, size
from ouroboros_jax.pools.memory import num_bytes
from ouroboros_jax.programs.build import build, point_floats
from ouroboros_jax.programs.program import Program
from ouroboros_jax.registry import Point
from ouroboros_jax.sweep import expand

STEP_BYTES = 12_000  # overhead of an Orbax step: metadata and indices
CALL_SECONDS = 2.0  # of the call that is timed
COLUMNS = "{:<6} {:>7} {:>6} {:>9} {:>8} {:>11} {:>9} {:>9}"


class Cost(NamedTuple):
    """What a group costs."""

    programs: int  # compiled
    disk: int  # bytes
    memory: int  # bytes


class Times(NamedTuple):
    """Seconds."""

    compiling: float
    running: float

    def __add__(self, other: "Times") -> "Times":
        return Times(self.compiling + other.compiling, self.running + other.running)


def dry_run(config: ConfigDict, *, timed: bool = False) -> str:
    """A table of what a run would need; nothing is written, and nothing run unless `timed`.

    Args:
      config: from `load_config`.
      timed: compile every group and time a call of it.
    """
    point, groups = flatten(config), expand(config)
    rows, costs, shapes, spent = [], [], {}, Times(0.0, 0.0)
    with jax.enable_x64(point["x64"]):
        for group in groups:
            program = build(group, point["chain_block"])
            costs.append(_cost(program, point))
            rows.append(_row(program, costs[-1]))
            shapes.setdefault(_shapes(program), group.name)
            if timed:
                times = _times(program, point["generations"])
                rows[-1] += f"  {_seconds_text(times.running)}"
                spent += times
    disk, memory = sum(cost.disk for cost in costs), max(cost.memory for cost in costs)
    chains, devices = sum(group.num_chains for group in groups), jax.local_devices()
    lines = [
        f"{chains} chains in {_many(len(groups), 'group')}, {point['generations'] + 1} "
        f"generations, on {_many(len(devices), f'{devices[0].device_kind} device')}",
        "",
        COLUMNS.format(
            *("group", "chains", "block", "programs", "segment", "parameters", "disk", "memory")
        ),
        *rows,
        "",
        *(
            f"parameters of one chain{f' from {name} on' if len(shapes) > 1 else ''}: {text}"
            for text, name in shapes.items()
        ),
        f"compilations: {sum(cost.programs for cost in costs)}; on disk: {size(disk)}; "
        f"in memory at most: {size(memory)}",
        "time: ask with --time, which compiles every group and times a call of it"
        if not timed
        else f"time: about {duration(spent.compiling)} to compile, "
        f"{_seconds_text(spent.running)} to run",
    ]
    if idle := unread(point):
        lines.append(f"note: {idle}")
    return "\n".join(lines)


def _cost(program: Program, point: Point) -> Cost:
    generations, every = point["generations"], point["store.every"]
    num = program.group.num_chains
    alone = 0 if program.from_blank else 1  # 1 if generation 0 has a program of its own
    programs = g = alone
    while g <= generations:  # each program runs as long as its capacity lasts
        g += program.sizes.stretch(g, generations + 1 - g)
        programs += 1

    kept = generations // every + 1 + (generations % every > 0)
    metrics = program.generation_bytes - program.parameter_bytes
    segments = -(-(generations + 1) // program.segment_length)
    disk = kept * program.parameter_bytes
    disk += 2 * (generations + 1) * metrics  # in generations/ and in metrics.nc
    disk += (segments + 1) * STEP_BYTES

    last = program.sizes.capacity(generations)
    memory = (num_bytes(program.state_shapes) + program.memory_bytes(last)) * num
    memory += program.segment_length * program.generation_bytes
    at_once = min(num, program.layout.block * program.layout.mesh.devices.size)
    if program.learner.hosted:  # fits under way and generation 0; gradients and what they change
        memory += num * program.fit_bytes + program.parameter_bytes
        memory += at_once * 3 * (program.parameter_bytes // num)
    if program.learner.moments is None:  # points: random bits, drawn, pooled, and in the fit
        memory += 4 * at_once * last.new * 4 * point_floats(program.group, program.real)
    return Cost(programs, disk, memory)


def _row(program: Program, cost: Cost) -> str:
    group = program.group
    swept = ", ".join(
        f"{path.rpartition('.')[2] if path != 'num_samples' else 'n'}={values[0]}"
        for path, values in group.coords.items()
        if len(set(values)) == 1
    )
    row = COLUMNS.format(
        group.name or "-",
        group.num_chains,
        program.layout.block,
        cost.programs,
        program.segment_length,
        *(size(program.parameter_bytes), size(cost.disk), size(cost.memory)),
    )
    return f"{row}  {swept}" if swept else row


def _shapes(program: Program) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(program.state_shapes.params)
    return ", ".join(
        f"{jax.tree_util.keystr(path, simple=True, separator='.')} {leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves[:8]
    ) + (f" and {len(leaves) - 8} more" if len(leaves) > 8 else "")


def _times(program: Program, generations: int) -> Times:
    """What compiling takes, and what all generations would, from a few timed calls."""
    begun = time.monotonic()
    timed, spent = (_of_steps if program.learner.hosted else _of_segments)(program, generations)
    return Times(time.monotonic() - begun - spent, timed)


def _of_segments(program: Program, generations: int) -> tuple[float, float]:
    """Seconds that the generations would take, and seconds spent to find out."""
    progress, _ = first_generation(program)
    if not generations:
        return 0.0, 0.0
    progress.run_segment(1)
    left = generations - progress.generation
    if not left:
        return 0.0, 0.0
    one = _seconds(lambda: progress.run_segment(1))
    num = progress.stretch(int(np.clip(CALL_SECONDS / max(one, 1e-6), 1, program.segment_length)))
    taken = _seconds(lambda: progress.run_segment(num))
    return taken / num * generations, one + taken


def _of_steps(program: Program, generations: int) -> tuple[float, float]:
    """As `_of_segments`, for fits that the host drives: from one step and what surrounds it."""
    _pieces(program, generations)  # compiles
    took = _pieces(program, generations)
    learner, turns = program.learner, took.pop("turns")
    fits = took["start"] + (generations + 1) * (learner.num_steps * took["step"] + took["end"])
    return fits + generations * max(turns, 1) * took["draw"], sum(took.values())


def _pieces(program: Program, generations: int) -> dict[str, float]:
    """Seconds of one step of the first fit, of the fit's start and its end, as if that had been its
    last step, and of a turn of the draw after it, or all of the draw; and how many turns it has."""
    progress = Progress(program)
    took = {"start": _seconds(progress.begin), "end": 0.0, "draw": 0.0, "turns": 0}
    took["step"] = _seconds(lambda: progress.work(1))
    if progress.fit is not None:
        progress.fit = progress.fit._replace(step=program.learner.num_steps)
        took["end"] = _seconds(lambda: progress.work(1))
    if generations:
        took["turns"] = progress.num_turns
        took["draw"] = _seconds(lambda: progress.work(1))
    return took


def _seconds(work) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def _seconds_text(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else f"{seconds:.2g} s"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"

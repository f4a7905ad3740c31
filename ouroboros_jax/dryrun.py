"""What a config would cost: shapes, compilations, disk, memory and, on request, time."""

import time

import jax
import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.checks import unread
from ouroboros_jax.config import flatten
from ouroboros_jax.host.progress import first_generation
from ouroboros_jax.host.report import duration, size
from ouroboros_jax.programs.build import build, point_floats
from ouroboros_jax.programs.program import Program
from ouroboros_jax.sweep import Group, expand

STEP_BYTES = 12_000  # what an Orbax step adds to its arrays: metadata and indices


def dry_run(config: ConfigDict, *, timed: bool = False) -> str:
    """A table of what a run would need; nothing is written, and nothing run unless `timed`.

    Args:
      config: from `load_config`.
      timed: compile every group and time one segment of it.
    """
    point = flatten(config)
    lines, disk, memory, programs = [], 0, 0, 0
    seconds = compiling = 0.0
    groups = expand(config)
    with jax.enable_x64(point["x64"]):
        for group in groups:
            program = build(group, point["chain_block"])
            cost = _cost(program, point)
            lines.append(_line(group, program, cost))
            disk += cost["disk"]
            memory = max(memory, cost["memory"])
            programs += cost["programs"]
            if timed:
                begun = time.monotonic()
                lines[-1] += f"  {_seconds_text(taken := _time(program, point))}"
                seconds += taken
                compiling += time.monotonic() - begun
        shapes = _shapes(program)
    chains = sum(group.num_chains for group in groups)
    devices = jax.local_devices()
    head = [
        f"{chains} chains in {len(groups)} group{'s' * (len(groups) != 1)}, "
        f"{point['generations'] + 1} generations, on {len(devices)} {devices[0].device_kind} "
        f"device{'s' * (len(devices) != 1)}",
        "",
        f"{'group':<6} {'chains':>7} {'block':>6} {'programs':>9} {'segment':>8} "
        f"{'parameters':>11} {'disk':>9} {'memory':>9}",
    ]
    tail = [
        "",
        f"parameters of one chain: {shapes}",
        f"compilations: {programs}; on disk: {size(disk)}; in memory at most: {size(memory)}",
    ]
    if timed:
        tail.append(
            f"time: about {duration(compiling)} to compile, {_seconds_text(seconds)} to run"
        )
    else:
        tail.append("time: ask with --time, which compiles and times one segment of every group")
    if idle := unread(point):
        tail.append(f"note: {idle}")
    return "\n".join(head + lines + tail)


def _cost(program: Program, point) -> dict[str, int]:
    generations, every = point["generations"], point["store.every"]
    kept = generations // every + 1 + (generations % every > 0)
    num = program.group.num_chains
    metrics = program.generation_bytes - program.parameter_bytes
    segments = -(-(generations + 1) // program.segment_length)
    alone = 0 if program.from_blank else 1  # generations with a program of their own
    programs = g = alone
    while g <= generations:  # each program runs as far as its capacity goes
        g += program.sizes.stretch(g, generations + 1 - g)
        programs += 1
    state = sum(
        int(np.prod(s.shape)) * s.dtype.itemsize for s in jax.tree.leaves(program.state_shapes)
    )
    memory = state * num
    memory += program.memory_bytes(program.sizes.capacity(generations)) * num
    memory += program.segment_length * program.generation_bytes
    if program.learner.moments is None:  # points: their random bits, as drawn, in the pool, fitted
        at_once = min(num, program.layout.block * program.layout.mesh.devices.size)
        new = program.sizes.capacity(generations).new
        memory += 4 * at_once * new * 4 * point_floats(program.group, program.real)
    return {
        "programs": programs,
        "disk": kept * program.parameter_bytes
        + 2 * (generations + 1) * metrics  # in generations/ and in metrics.nc
        + (segments + 1) * STEP_BYTES,
        "memory": memory,
    }


def _line(group: Group, program: Program, cost: dict[str, int]) -> str:
    swept = ", ".join(
        f"{path.rpartition('.')[2] if path != 'num_samples' else 'n'}={values[0]}"
        for path, values in group.coords.items()
        if len(set(values)) == 1
    )
    return (
        f"{group.name or '-':<6} {group.num_chains:>7} {program.layout.block:>6} "
        f"{cost['programs']:>9} {program.segment_length:>8} "
        f"{size(program.parameter_bytes):>11} {size(cost['disk']):>9} {size(cost['memory']):>9}"
        f"{'  ' + swept if swept else ''}"
    )


def _shapes(program: Program) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(program.state_shapes.params)
    return ", ".join(
        f"{jax.tree_util.keystr(path, simple=True, separator='.')} {leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves[:8]
    ) + (f" and {len(leaves) - 8} more" if len(leaves) > 8 else "")


def _time(program: Program, point) -> float:
    """Seconds the generations of a group would take, from one timed call."""
    generations = point["generations"]
    progress, _ = first_generation(program)
    if not generations:
        return 0.0
    progress.run_segment(1)
    left = generations - progress.generation
    if not left:
        return 0.0
    start = time.monotonic()
    progress.run_segment(1)
    one = time.monotonic() - start
    num = progress.stretch(int(np.clip(2.0 / max(one, 1e-6), 1, program.segment_length)))
    start = time.monotonic()
    progress.run_segment(num)
    return (time.monotonic() - start) / num * generations


def _seconds_text(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else f"{seconds:.2g} s"

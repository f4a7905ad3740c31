"""What the benchmarks share: a program warmed up and timed, and one line of JSON."""

import json
import os
import time

import jax

from ouroboros_jax.host.progress import first_generation
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand

CORES = os.cpu_count() or 1


def use_cores(num: int = CORES) -> None:
    """One CPU device a core; call before anything runs."""
    jax.config.update("jax_num_cpu_devices", num)


def generations_per_second(config, *, generations: int, repeats: int = 5, devices=None):
    """Chain-generations a second of a config's only group, after compilation.

    Returns:
      The median over `repeats` calls of `generations` generations, cpu/wall of that call, and the
      metrics at the last generation.
    """
    (group,) = expand(config)
    program = build(group, config.chain_block, devices)
    progress, _ = first_generation(program)
    progress.run_segment(1)
    timed = []
    for _ in range(repeats):
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        while done < generations:
            num = min(progress.stretch(program.segment_length), generations - done)
            _, metrics = progress.run_segment(num)  # back on the host: nothing is left running
            done += num
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        timed.append((group.num_chains * generations / wall, cpu / wall))
    rate, cores = sorted(timed)[len(timed) // 2]
    return rate, cores, {name: values[-1] for name, values in metrics.items()}


def show(**figures) -> None:
    """One line of JSON."""
    print(
        json.dumps(
            {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}
        ),
        flush=True,
    )

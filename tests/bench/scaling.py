"""Time and memory per chain from 1 to 10,000 chains, and all cores beside one.

python tests/bench/scaling.py
"""

import os
import resource
import statistics
import subprocess
import sys

import timing
from timing import CORES, show, use_cores

from ouroboros_jax.config import load_config

PAIRS = 5
SIZES = {
    "gaussian": ((1, 10, 100, 1000, 10_000), 200),
    "gmm": ((1, 10, 100, 1000), 20),
}


def main() -> None:
    """Print a line for every number of chains, and the gain of the cores."""
    use_cores()
    for name, (counts, generations) in SIZES.items():
        for chains in counts:
            rate, cores = measure(name, chains, generations)
            show(
                benchmark="scaling",
                config=name,
                chains=chains,
                microseconds_per_chain_generation=1e6 / rate,
                cpu_per_wall=cores,
                peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            )
        compare_cores(name, counts[-1], generations)


def compare_cores(name: str, chains: int, generations: int) -> None:
    """Pairs of a process that has one core and this one, which has all, a moment apart."""
    pairs = []
    for _ in range(PAIRS):
        command = [sys.executable, __file__, name, str(chains), str(generations)]
        one = subprocess.run(command, check=True, capture_output=True, text=True)
        rate, cores = measure(name, chains, generations)
        pairs.append((rate / float(one.stdout), cores))
    show(
        benchmark="cores",
        config=name,
        cores=CORES,
        ratio=statistics.median(ratio for ratio, _ in pairs),
        target=1.6,
        cpu_per_wall=statistics.median(cores for _, cores in pairs),
    )
    for ratio, cores in pairs:
        show(benchmark="cores", config=name, pair_ratio=ratio, pair_cpu_per_wall=cores)


def measure(name: str, chains: int, generations: int) -> tuple[float, float]:
    """Chain-generations a second of a default config, and cpu/wall."""
    config = load_config(name, {"chains": chains})
    return timing.generations_per_second(config, generations=generations, repeats=5)[:2]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {0})
        use_cores(1)
        print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))[0])
    else:
        main()

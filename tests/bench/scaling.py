"""Time and memory per chain from 1 to 10,000 chains, and two cores beside one.

python tests/bench/scaling.py
"""

import resource

import jax
import timing
from timing import CORES, show, use_cores

from ouroboros_jax.config import load_config


def main() -> None:
    """Print a line for every number of chains, and the gain of the cores."""
    use_cores()
    for name, counts, generations in (
        ("gaussian", (1, 10, 100, 1000, 10_000), 200),
        ("gmm", (1, 10, 100, 1000), 20),
    ):
        for chains in counts:
            config = load_config(name, {"chains": chains})
            rate, cores, _ = timing.generations_per_second(
                config, generations=generations, repeats=3
            )
            show(
                benchmark="scaling",
                config=name,
                chains=chains,
                microseconds_per_chain_generation=1e6 / rate,
                cpu_per_wall=cores,
                peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            )
        config = load_config(name, {"chains": counts[-1]})
        one, _, _ = timing.generations_per_second(
            config, generations=generations, repeats=3, devices=jax.devices()[:1]
        )
        all_, cores, _ = timing.generations_per_second(config, generations=generations, repeats=3)
        show(
            benchmark="cores",
            config=name,
            cores=CORES,
            ratio=all_ / one,
            target=1.6,
            cpu_per_wall=cores,
        )


if __name__ == "__main__":
    main()

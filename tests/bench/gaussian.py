"""Gaussian chains from sufficient statistics beside a NumPy loop.

python tests/bench/gaussian.py
"""

import time

import numpy as np
import timing
from timing import show, use_cores

from ouroboros_jax.config import load_config

CHAINS, GENERATIONS = 2000, 2500


def peer_rate(num_samples: int, generations: int) -> float:
    """Generations a second of one chain of draws, means and standard deviations in NumPy."""
    rng = np.random.default_rng(0)
    mean, std = 0.0, 1.0
    start = time.perf_counter()
    for _ in range(generations):
        data = rng.normal(mean, std, num_samples)
        mean, std = data.mean(), data.std()
    return generations / (time.perf_counter() - start)


def main() -> None:
    """Time both at n = 100 and n = 100,000, and print their ratios."""
    use_cores()
    for num_samples, peer_generations, target in ((100, 20_000, 40), (100_000, 100, 10_000)):
        for metrics in ((), ("mean", "variance")):
            config = load_config(
                "gaussian",
                {
                    "chains": CHAINS,
                    "generations": GENERATIONS,
                    "num_samples": num_samples,
                    "metrics": metrics,
                },
            )
            peer_rate(num_samples, peer_generations // 10)
            theirs = peer_rate(num_samples, peer_generations)
            ours, cores, _ = timing.generations_per_second(
                config, generations=GENERATIONS, repeats=3
            )
            show(
                benchmark="gaussian",
                num_samples=num_samples,
                metrics=", ".join(metrics) or "all",
                generations_per_second=ours,
                peer="NumPy loop",
                peer_generations_per_second=theirs,
                ratio=ours / theirs,
                target=target,
                cpu_per_wall=cores,
            )


if __name__ == "__main__":
    main()

"""Categorical chains from exact counts beside loops of NumPy's own draws.

python tests/bench/categorical.py
"""

import time

import numpy as np
import timing
from timing import show, use_cores

from ouroboros_jax.config import load_config

SYMBOLS, NUM_SAMPLES, GENERATIONS, CHAINS = 1000, 1000, 10, 200


def choice(rng, p):
    """Counts of `numpy.random.choice`, as the code released with Suresh et al. draws."""
    drawn = rng.choice(len(p), NUM_SAMPLES, p=p)
    return np.bincount(drawn, minlength=len(p))


def multinomial(rng, p):
    """Counts of `Generator.multinomial`."""
    return rng.multinomial(NUM_SAMPLES, p)


def peer_rate(draw, rng, chains: int) -> tuple[float, float]:
    """Generations a second of chains of draws and frequencies, survivors counted, in NumPy; and
    cpu/wall."""
    truth = 1 / (np.arange(1, SYMBOLS + 1) + 2.7)
    truth /= truth.sum()
    surviving = np.empty((chains, GENERATIONS))
    start, cpu = time.perf_counter(), time.process_time()
    for c in range(chains):
        p = truth
        for g in range(GENERATIONS):
            p = draw(rng, p) / NUM_SAMPLES
            surviving[c, g] = (p > 0).sum()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return chains * GENERATIONS / wall, cpu / wall


def main() -> None:
    """Time both, and print their ratios."""
    use_cores()
    peers = {
        "numpy.random.choice": (choice, np.random.RandomState(0), 5),
        "Generator.multinomial": (multinomial, np.random.default_rng(0), 2),
    }
    overrides = {"chains": CHAINS, "generations": GENERATIONS, "num_samples": NUM_SAMPLES}
    for metrics in (("surviving",), ()):
        config = load_config("categorical", overrides | {"metrics": metrics})
        ours, cores, _ = timing.generations_per_second(config, generations=50 * GENERATIONS)
        for name, (draw, rng, target) in peers.items():
            peer_rate(draw, rng, 20)
            theirs, their_cores = sorted(peer_rate(draw, rng, CHAINS) for _ in range(3))[1]
            show(
                benchmark="categorical",
                metrics=", ".join(metrics) or "all",
                generations_per_second=ours,
                peer=name,
                peer_generations_per_second=theirs,
                ratio=ours / theirs,
                target=target,
                cpu_per_wall=cores,
                peer_cpu_per_wall=their_cores,
                ratio_per_cpu_second=(ours / cores) / (theirs / their_cores),
            )


if __name__ == "__main__":
    main()

"""The default mixture config with 1,000 chains beside a scikit-learn loop.

    python tests/bench/gmm.py

The peer is what people run: `GaussianMixture(2).fit` on 1,000 samples of the previous fit, one
process, one thread, scikit-learn's defaults. Both do 20 generations; the final standard deviations
are compared by a Kolmogorov-Smirnov test.
"""

import time
import warnings

import numpy as np
import timing
from scipy import stats
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from timing import show, use_cores

from ouroboros_jax.config import load_config

GENERATIONS, PEER_CHAINS = 20, 100


def peer(rng: np.random.Generator, num_samples: int) -> float:
    """The final standard deviation of the lower component of one scikit-learn chain."""
    side = rng.random(num_samples) < 0.5
    data = np.where(side, -2.0, 2.0)[:, None] + rng.standard_normal((num_samples, 1))
    for _ in range(GENERATIONS + 1):
        model = GaussianMixture(2, random_state=int(rng.integers(2**31))).fit(data)
        data, _ = model.sample(num_samples)
        data = rng.permuted(data, axis=0)
    return float(np.sqrt(model.covariances_[np.argmin(model.means_[:, 0]), 0, 0]))


def main() -> None:
    """Time both and print their ratio."""
    use_cores()
    warnings.simplefilter("ignore")
    config = load_config("gmm", {"chains": 1000, "generations": GENERATIONS})
    rng = np.random.default_rng(0)
    with threadpool_limits(1):
        peer(rng, 1000)
        start = time.perf_counter()
        theirs = [peer(rng, 1000) for _ in range(PEER_CHAINS)]
        peer_rate = PEER_CHAINS * (GENERATIONS + 1) / (time.perf_counter() - start)
    rate, cores, _ = timing.generations_per_second(config, generations=GENERATIONS)
    import ouroboros_jax as oj

    ours = oj.run(config, progress=False).metrics
    lower = ours.component_mean.isel(generation=-1).argmin("component")
    deviations = ours.component_std.isel(generation=-1).isel(component=lower)
    test = stats.ks_2samp(np.asarray(deviations).ravel(), theirs)
    show(
        benchmark="gmm",
        generations_per_second=rate,
        peer="scikit-learn loop",
        peer_generations_per_second=peer_rate,
        ratio=rate / peer_rate,
        target=100,
        cpu_per_wall=cores,
        ks_p_value=float(test.pvalue),
    )


if __name__ == "__main__":
    main()

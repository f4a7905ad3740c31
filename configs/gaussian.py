"""The Gaussian chain, for which everything about collapse can be worked out on paper.

    python launch.py --config=configs/gaussian.py

default     one dimension, n = 100, maximum likelihood, replace: 1,000 chains of 200 generations
:suresh     unbiased, n = 100, 25 paths of 2,500 generations from N(0, 1): Suresh, Thangaraj and
            Khandavally 2024 (arXiv 2412.17646), figure 2a
:shumailov  maximum likelihood, n of 100, 500, 1,000 and 10,000, 1,000 generations: |mu| and
            |1 - sigma| of Shumailov et al. 2023 (arXiv 2305.17493) and Nature 2024
:kazdan     d of 1, 3, 10, 31, 100, n of 10, 32, 100, 316, 1,000, three regimes, 100 seeds, 100
            generations: the whole grid of Kazdan et al. 2024 (arXiv 2410.16713)

Measured on 2 idle CPU cores, from start to the last figure; mean over chains [95% interval]:
default     8 s. Mean log variance at generation 200: -4.02 [-4.15, -3.90]; the law says -4.06
:suresh     10 s. Mean log variance at generation 2,500: -25.2 [-27.7, -22.7]; the law says -25.3
:shumailov  10 s. Median |1 - sigma| at generation 1,000: 1.00, 0.86, 0.65, 0.16 by growing n
:kazdan     1 min 28 s. The 88 means that have a law lie within |z| = 2.1 of it
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "suresh": suresh, "shumailov": shumailov, "kazdan": kazdan})


def base():
    """1,000 chains of 200 generations."""
    config = new_config(learner="gaussian", regime="replace", data="normal")
    config.num_samples = 100
    config.chains = 1000
    config.generations = 200
    return config


def suresh():
    """25 paths whose variance is a martingale and goes to zero all the same."""
    config = base()
    config.learner.estimator = "unbiased"
    config.chains = 25
    config.generations = 2500
    return config


def shumailov():
    """Four sample sizes side by side."""
    config = base()
    config.chains = 100
    config.generations = 1000
    config.sweep = {"num_samples": [100, 500, 1000, 10_000]}
    return config


def kazdan():
    """75 cells of 100 seeds."""
    config = base()
    config.chains = 1
    config.generations = 100
    config.compile = "quick"  # 35 shapes, each of which takes seconds
    config.data.num_test = 0
    config.metrics = ("variance", "mean_squared_error", "log_det_covariance")
    config.store.every = 50
    config.sweep = {
        "regime.name": ["replace", "accumulate", "accumulate_subsample"],
        "data.num_features": [1, 3, 10, 31, 100],
        "num_samples": [10, 32, 100, 316, 1000],
        "seed": 100,
    }
    return config

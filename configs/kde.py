"""Kernel densities, which spread: a loop in which likelihood collapses but variance does not.

    python launch.py --config=configs/kde.py

default     two moons, a Gaussian kernel of bandwidth 0.1, n = 500, replace and accumulate: 16
            chains of 50 generations
:blobs, :circles, :swiss_roll
            the same on scikit-learn's other clouds
:rules      Scott's and Silverman's bandwidths, Gaussian and tophat kernels, on blobs on a line
:kazdan     bandwidths 0.1, 0.5 and 1, n of 10, 32, 100, 316 and 1,000, three regimes, 500 held-out
            points, 100 generations: the grid of Kazdan et al. 2024 (arXiv 2410.16713) on blobs

Measured on 2 idle CPU cores, from start to the last figure; the numbers are the variance relative
to the original, under replace and under accumulate, after 50 generations:
default     21 s. 1.99 and 1.07
:blobs      23 s. 2.08 and 1.10
:circles    21 s. 1.21 and 1.02
:swiss_roll 20 s. 2.02 and 1.08
:rules      54 s. Up to 2.6 and 1.1 with the Gaussian kernel, less with the narrower tophat
:kazdan     2 min 31 s. After 100 generations 0.02 (replace, bandwidth 0.1, n = 10) to 26 (replace,
            bandwidth 1, n = 1,000)
"""

from ouroboros_jax.config import choose, new_config

REGIMES = ["replace", "accumulate"]


def get_config(variant=""):
    """The config of a variant."""
    variants = {
        "": base,
        "blobs": lambda: base("blobs", 0.3),
        "circles": lambda: base("circles", 0.05),
        "swiss_roll": lambda: base("swiss_roll", 1.0),
        "rules": rules,
        "kazdan": kazdan,
    }
    return choose(variant, variants)


def base(data="moons", bandwidth=0.1):
    """Both regimes side by side."""
    config = new_config(learner="kde", regime="replace", data=data)
    config.learner.bandwidth = bandwidth
    config.learner.capacity = 4  # accumulate's test likelihood is that of 4 n of its points
    config.num_samples = 500
    config.data.num_test = 500
    config.collapse.metric = "test_log_likelihood"
    config.chains = 16
    config.generations = 50
    config.sweep = {"regime.name": REGIMES}
    return config


def rules():
    """Bandwidths that shrink as points accumulate; in 2 dimensions the two rules are the same."""
    config = base("blobs")
    config.data.num_features = 1
    config.sweep = {
        "learner.rule": ["scott", "silverman"],
        "learner.kernel": ["gaussian", "tophat"],
        "regime.name": REGIMES,
    }
    return config


def kazdan():
    """45 cells of 10 seeds."""
    config = base("blobs")
    config.chains = 1
    config.generations = 100
    config.metrics = ("variance", "test_log_likelihood")
    config.store.every = 50
    config.sweep = {
        "regime.name": ["replace", "accumulate", "accumulate_subsample"],
        "learner.bandwidth": [0.1, 0.5, 1.0],
        "num_samples": [10, 32, 100, 316, 1000],
        "seed": 10,
    }
    return config

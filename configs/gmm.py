"""Gaussian mixtures fitted by EM to their own samples.

    python launch.py --config=configs/gmm.py

default     two components at -2 and +2, n = 1,000, replace: 64 chains of 20 generations
:shumailov  one 2-D blob fitted with two full components, tol 1e-5, max_iter 2,000, n = 1,000,
            2,050 generations: the mixture of Shumailov et al. 2023 (arXiv 2305.17493), whose
            squared L2 to the first fit ends near 200 (500 at n = 500)
:samples    the same with n of 500, 1,000, 10,000, 50,000 and 200,000, side by side
:iris       three components on Fisher's 150 flowers, which come with scikit-learn

Measured on 2 idle CPU cores (:samples on 2 busy ones), from start to the last figure; mean over
chains [95% interval]:
default     9 s. Squared L2 to the first fit at generation 20: 0.0105 [0.0088, 0.0122];
            variance 0.961 [0.930, 0.991] of the original
:shumailov  13 s. Squared L2 at the end: 154 [63, 245]; on another CPU, whose last bits differ,
            153 [85, 222]
:samples    26 min. Squared L2 at the end, one chain each, by growing n: 172, 94, 0.12, 0.035 and
            0.006; theirs were about 700, 200, 0.4, 0.001 and 0.001
:iris       12 s. Variance at generation 20: 0.93 [0.86, 1.00] of the original
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "shumailov": shumailov, "samples": samples, "iris": iris})


def base():
    """64 chains of 20 generations."""
    config = new_config(learner="gmm", regime="replace", data="mixture")
    config.data.means = (-2.0, 2.0)
    config.learner.components = 2
    config.num_samples = 1000
    config.chains = 64
    config.generations = 20
    return config


def shumailov():
    """One blob, two components, a cold start and scikit-learn's reg_covar at every generation."""
    config = new_config(learner="gmm", regime="replace", data="normal")
    config.data.num_features = 2
    config.learner.components = 2
    config.learner.tol = 1e-5
    config.learner.max_iter = 2000
    config.num_samples = 1000
    config.chains = 8
    config.generations = 2050
    return config


def samples():
    """Five sample sizes, each compiled as a program of its own."""
    config = shumailov()
    config.chains = 1
    config.sweep = {"num_samples": [500, 1000, 10_000, 50_000, 200_000]}
    return config


def iris():
    """All flowers except the held-out fifth."""
    config = new_config(learner="gmm", regime="replace", data="iris")
    config.learner.components = 3
    config.num_samples = 120
    config.chains = 64
    config.generations = 20
    return config

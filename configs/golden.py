"""How much weight real data should have beside synthetic data: the golden ratio.

    python launch.py --config=configs/golden.py

default     a Gaussian fitted to 100 new real points and 100 synthetic ones in each generation, with
            real weights from 0.1 to 1 and the golden ratio 0.618: 1,000 chains of 60 generations
:shares     the same with 2 real points to each synthetic one, with 1 to 1, and with 1 to 2

The error of generation g tends to a limit V(w) that is smallest at w = (sqrt(k^2 + 4 k) - k) / 2,
where k is the ratio of real to synthetic points: He, Xu and Cheng 2025 (arXiv 2502.18049).

On 2 idle CPU cores the default takes 13 s, and its 20 means lie within |z| = 1.2 of their laws;
:shares takes 14 s, and its 30 means lie within |z| = 1.1.
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "shares": shares})


def base():
    """As many real points as synthetic ones."""
    config = new_config(learner="gaussian", regime="weighted", data="normal")
    config.learner.estimator = "unbiased"
    config.regime.real_fraction = 0.5
    config.num_samples = 200
    config.data.num_samples = 100
    config.chains = 1000
    config.generations = 60
    config.sweep = {"regime.real_weight": [0.1, 0.2, 0.3, 0.4, 0.5, "golden", 0.7, 0.8, 0.9, 1.0]}
    return config


def shares():
    """Three ratios of real to synthetic points, 300 points in all."""
    config = base()
    config.num_samples = 300
    config.chains = 500
    config.sweep |= {"regime.real_fraction": [1 / 3, 0.5, 2 / 3]}
    return config

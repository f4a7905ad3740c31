"""Two mirrored Gaussians with a common standard deviation, which collapse onto two points.

    python launch.py --config=configs/symmetric_gmm.py

default     components at -1 and 1, standard deviation 1, n = 10, the approximate joint maximum
            likelihood of Suresh, Thangaraj and Khandavally 2024 (arXiv 2412.17646), replace: 2,000
            chains of 120 generations, the share that keep their deviation, and Theorem 4's bound
:joint      the same with exact maximum likelihood

The default takes 7 s on 2 idle CPU cores: the median chain loses nine tenths of its deviation
within 17 generations. :joint takes 7 s: half of its chains lose half of their variance.
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "joint": joint})


def base():
    """The published mixture and estimator."""
    config = new_config(learner="symmetric_gmm", regime="replace", data="mixture")
    config.data.means = (-1.0, 1.0)
    config.data.stds = 1.0
    config.num_samples = 10
    config.chains = 2000
    config.generations = 120
    return config


def joint():
    """The estimator that the published one approximates."""
    config = base()
    config.learner.estimator = "joint"
    return config

"""A Poisson rate fitted to its own counts: how long a chain lives, exactly.

    python launch.py --config=configs/poisson.py

default  n = 10, rate 1, replace: 20,000 chains of 100 generations. Suresh, Thangaraj and
         Khandavally 2024 (arXiv 2412.17646), Theorem 2: a chain is alive with probability
         1 - exp(-n lambda g_k), k = generation + 1
:rates   rates of .1, 1, 10 and 100

Measured on 2 idle CPU cores, from start to the last figure:
default  5 s. Alive after 101 fits: 17.8% [17.3, 18.4]; the law says 17.6%
:rates   5 s. Alive after 101 fits: 1.9%, 18.9%, 85.8% and 100%; the law says 1.9, 17.6, 85.6, 100
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "rates": rates})


def base():
    """20,000 chains of 100 generations."""
    config = new_config(learner="poisson", regime="replace", data="counts")
    config.num_samples = 10
    config.chains = 20_000
    config.generations = 100
    return config


def rates():
    """Rates from rare events to common ones."""
    config = base()
    config.chains = 5000
    config.sweep = {"data.rate": [0.1, 1.0, 10.0, 100.0]}
    return config

"""Heat death: where a closed loop that samples at a temperature ends, with and without help.

    python launch.py --config=configs/heat_death.py

Marchi, Soatto, Chaudhari and Tabuada 2024 (arXiv 2404.02325): below temperature 1 the model is
driven to a corner of the simplex, above it to the centre, and at 1 chance decides; enough external
data prevent all three.

default  3 outcomes, 1,000 points a generation, T of 0.7, 1 and 1.3, external share of 0 and 0.35:
         48 trajectories of 60 generations each, drawn over the flow that they follow
:phase   5 outcomes, infinitely many points: 200 temperatures x 200 external shares, each from near
         the centre and from near a corner, 2,000 generations; between the thresholds 1 - T and
         a_g(5, T) the end depends on the start
:urn     4 outcomes, a data set that grows from counts (12, 9, 6, 3) by 30 draws in each of 4,000
         generations, 400 paths, T of 0.7, 1 and 1.4
:polya   the same start, T = 1 and one draw a generation: a Polya urn, whose limit is Dirichlet

Measured on 2 idle CPU cores, from start to the last figure; means over chains:
default  8 s. Deviation from uniform at generation 60 without external data: 0.667 at T = 0.7,
         0.026 at T = 1.3
:phase   17 s, of which 6 s for the one call over 80,000 chains; 14 MB on disk
:urn     21 s. At T = 0.7 the largest probability is 0.947 at the end; at T = 1.4 the largest
         deviation is 0.0235
:polya   17 s. Every share is within sampling error of its beta law
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    return choose(variant, {"": base, "phase": phase, "urn": urn, "polya": polya})


def base():
    """Trajectories on the simplex, from starts all over it."""
    config = new_config(learner="heat_death", regime="fresh", data="outcomes")
    config.learner.dynamics = "counts"
    config.num_samples = 1000
    config.data.concentration = 3.0  # starts are uniform on the simplex
    config.data.external = (0.5, 0.3, 0.2)
    config.chains = 48
    config.generations = 60
    config.sweep = {
        "sampler.temperature": [0.7, 1.0, 1.3],
        "regime.real_fraction": [0.0, 0.35],
    }
    return config


def phase():
    """The phase diagram, from both sides, in one vectorised call."""
    config = new_config(learner="heat_death", regime="fresh", data="outcomes")
    config.num_samples = 10_000_000  # rounds the external share, to 5e-8
    config.data.num_outcomes = 5
    config.data.start = "corner"
    config.generations = 2000
    config.metrics = ("max_probability",)
    config.store.every = 2000
    config.store.metrics_every = 100
    config.sweep = {
        "sampler.temperature": [round(0.5 + 0.0025 * (i + 0.5), 5) for i in range(200)],
        "regime.real_fraction": [round(0.003 * (i + 0.5), 5) for i in range(200)],
        "data.corner": [0.201, 0.98],
    }
    return config


def urn():
    """A data set that only grows: collapse is slow, a power of its size."""
    config = new_config(learner="heat_death", regime="accumulate", data="outcomes")
    config.learner.dynamics = "counts"
    config.num_samples = 30
    config.data.num_outcomes = 4
    config.data.start = (12, 9, 6, 3)
    config.data.num_samples = 30
    config.chains = 400
    config.generations = 4000
    config.store.every = 100
    config.sweep = {"sampler.temperature": [0.7, 1.0, 1.4]}
    return config


def polya():
    """One draw at a time, as Polya had it."""
    config = urn()
    config.num_samples = 1
    config.chains = 2000
    config.sweep = {}
    return config

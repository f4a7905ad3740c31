"""Regressions on targets of their own making: pi^2/6, for least squares and for everything else.

    python launch.py --config=configs/regression.py

default        least squares, 10 features, n = 50, targets regenerated on the same inputs, replace:
               1,000 chains of 20 generations
:gerstgrasser  replace and accumulate, n = 100, 3, 10 and 32 features, 30 generations: the linear
               model of Gerstgrasser et al. 2024 (arXiv 2404.01413)
:universality  mean, median, least squares and logistic regression under accumulate and
               accumulate-subsample, n = 500: error ratios towards pi^2/6 and pi^2/2 - 2, as in Dey
               and Donoho 2024 (arXiv 2410.22812)
:diabetes      least squares on 442 patients, which come with scikit-learn; replace and accumulate
:cancer        logistic regression on 569 tumours, likewise

Measured on 2 idle CPU cores, from start to the last figure; mean over chains [95% interval]:
default        6 s. Excess test error 5.40 [5.23, 5.57] at generation 20, law 5.38, z = 0.2
:gerstgrasser  32 s. Excess test error at generation 30 from 0.051 (accumulate, 3 features) to
               15.1 (replace, 32); the 10 means that have a law lie within |z| = 1.5 of it
:universality  45 s. Error ratios at generation 15: 1.58 to 1.62 under accumulate, law 1.58;
               2.7 to 3.0 under accumulate-subsample, law 2.75
:diabetes      12 s. Held-out squared error at generation 20: 0.90 under replace, 0.61 under
               accumulate, from 0.60
:cancer        12 s. Held-out log loss at generation 20: 0.224 under replace, 0.121 under
               accumulate, from 0.088
"""

from ouroboros_jax.config import choose, new_config

REGIMES = ["replace", "accumulate"]


def get_config(variant=""):
    """The config of a variant."""
    variants = {
        "": base,
        "gerstgrasser": gerstgrasser,
        "universality": universality,
        "diabetes": diabetes,
        "cancer": cancer,
    }
    return choose(variant, variants)


def base():
    """1,000 chains of 20 generations."""
    config = new_config(learner="linear_regression", regime="replace", data="linear")
    config.data.num_features = 10
    config.data.num_test = 100
    config.num_samples = 50
    config.chains = 1000
    config.generations = 20
    return config


def gerstgrasser():
    """Linear growth under replace, against a bound under accumulate."""
    config = base()
    config.num_samples = 100
    config.chains = 200
    config.generations = 30
    config.metrics = ("excess_error", "test_mse")
    config.sweep = {"regime.name": REGIMES, "data.num_features": [3, 10, 32]}
    return config


def universality():
    """Four estimators, two ways to keep the data."""
    config = base()
    config.num_samples = 500
    config.chains = 500
    config.generations = 15
    config.data.num_features = 4
    config.data.num_test = 0
    config.store.every = 15
    estimators = {
        "mean": "normal",
        "median": "normal",
        "linear_regression": "linear",
        "logistic_regression": "logistic",
    }
    regimes = ["accumulate", "accumulate_subsample"]
    config.sweep = {
        "learner.name": [name for name in estimators for _ in regimes],
        "data.name": [data for data in estimators.values() for _ in regimes],
        "regime.name": regimes * len(estimators),
    }
    config.sweep_mode = "zip"
    return config


def diabetes():
    """All patients except the held-out fifth."""
    config = new_config(learner="linear_regression", regime="replace", data="diabetes")
    config.num_samples = 353
    config.chains = 200
    config.generations = 20
    config.sweep = {"regime.name": REGIMES}
    return config


def cancer():
    """Fewer tumours than the data set has, so that classes become separable sooner or later."""
    config = new_config(learner="logistic_regression", regime="replace", data="breast_cancer")
    config.learner.intercept = True
    config.learner.ridge = 1.0
    config.num_samples = 400
    config.chains = 50
    config.generations = 20
    config.sweep = {"regime.name": REGIMES}
    return config

"""Variances of synthetic truths are those of what the data laws draw."""

import jax
import numpy as np
import pytest

from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.programs.factories import make_real
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory.truths import feature_variances

NUM = 100_000
CASES = {
    "normal": {"data.num_features": 2, "data.std": 1.5},
    "mixture": {"data.means": ((-2, 0), (3, 1)), "data.stds": (1, 0.5), "data.weights": (1, 3)},
    "blobs": {"data.num_centers": 4, "data.layout_seed": 3, "data.std": 0.5},
    "moons": {"data.noise": 0.2},
    "circles": {"data.factor": 0.5, "data.noise": 0.1},
    "swiss_roll": {"data.noise": 1.0},
}


@pytest.mark.parametrize("name", CASES)
def test_variances_of_drawn_points(name):
    config = new_config(learner="kde", regime="replace", data=name, **CASES[name])
    point = flatten(config)
    (group,) = expand(config)
    paths = ("data.std", "data.mean", "data.noise")
    data = {p[5:]: float(group.columns[p].at(np.zeros(1))[0, 0]) for p in paths if p in point and p
            in group.columns}  # fmt: skip
    settings = type("Settings", (), {"data": data})
    points = np.float64(make_real(point).draw(jax.random.key(0), settings, None, NUM))
    squares = np.square(points - points.mean(0))
    error = squares.std(0) / np.sqrt(NUM)
    expected = feature_variances(point)
    assert expected.shape == points.shape[1:]
    assert np.abs((squares.mean(0) - expected) / error).max() < 4.5
    assert (error < 0.02 * expected).all()


def test_unknown_truths():
    assert feature_variances({"data.name": "iris"}) is None

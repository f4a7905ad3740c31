"""Moons, circles, Swiss rolls lie where scikit-learn's do; regression laws follow their truth."""

import jax
import numpy as np
import pytest
from sklearn import datasets
from sklearn.neighbors import NearestNeighbors

from ouroboros_jax.base import Settings
from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.data import regression
from ouroboros_jax.data.shapes import circles, moons, swiss_roll
from ouroboros_jax.errors import UserError
from ouroboros_jax.programs.factories import make_real

NUM = 4000


def settings(**data):
    return Settings(*[np.int32(NUM)] * 3, learner={}, regime={}, sampler={}, data=data)


def distances(points, others):
    return NearestNeighbors(n_neighbors=1).fit(others).kneighbors(points)[0][:, 0]


@pytest.mark.parametrize(
    ("law", "peer", "width"),
    [
        (moons(), datasets.make_moons(NUM)[0], 0.005),
        (circles(factor=0.5), datasets.make_circles(NUM, factor=0.5)[0], 0.005),
        (swiss_roll(), datasets.make_swiss_roll(40_000, random_state=0)[0], 0.7),
    ],
)
def test_without_noise_points_lie_where_scikit_learns_do(law, peer, width):
    points = np.asarray(law.draw(jax.random.key(0), settings(noise=0.0), None, NUM))
    assert points.shape == (NUM, *law.shape)
    assert distances(points, peer).max() < width
    assert distances(peer[:2000], points).max() < 20 * width  # and everywhere there
    assert len(np.unique(points, axis=0)) > 0.99 * NUM  # each at a place of its own


def test_noise_is_added_to_every_coordinate():
    key = jax.random.key(1)
    bare, noisy = (moons().draw(key, settings(noise=s), None, NUM) for s in (0.0, 0.3))
    added = np.asarray(noisy - bare)
    np.testing.assert_allclose(added.std(0), 0.3, rtol=4.5 / np.sqrt(2 * NUM))
    assert abs(np.corrcoef(added.T)[0, 1]) < 4.5 / np.sqrt(NUM)


@pytest.mark.parametrize("name", ["moons", "circles", "swiss_roll", "linear", "logistic"])
def test_fewer_points_are_the_first_of_more(name):
    point = flatten(new_config(learner="kde", regime="replace", data=name))
    real, given = make_real(point), settings(noise=0.5)
    few, many = (real.draw(jax.random.key(2), given, None, num) for num in (7, 20))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[:7]), few, many)


def test_circles_one_inside_the_other():
    with pytest.raises(UserError, match=r"data.factor is 1, expected"):
        circles(factor=1)


# Regression


def test_a_linear_law_has_its_coefficients_and_noise():
    real = regression.linear(num_features=3, scale=2.0, layout_seed=7)
    rows = real.draw(jax.random.key(0), settings(noise=0.5), None, 20_000)
    truth = real.truth(settings())
    w, *_ = np.linalg.lstsq(rows["inputs"], rows["targets"], rcond=None)
    np.testing.assert_allclose(w, truth.coefficients, atol=4.5 * 0.5 / np.sqrt(20_000))
    left = np.asarray(rows["targets"] - rows["inputs"] @ truth.coefficients)
    assert left.std() == pytest.approx(0.5, rel=4.5 / np.sqrt(40_000))
    other = regression.linear(num_features=3, scale=2.0, layout_seed=8)
    assert other.sha256 != real.sha256
    np.testing.assert_allclose(
        truth.coefficients, 2 * np.random.RandomState(7).standard_normal(3), rtol=1e-6
    )


def test_a_logistic_law_has_its_odds():
    real = regression.logistic(num_features=1, layout_seed=0)  # w = 1.76
    rows = real.draw(jax.random.key(0), settings(), None, 100_000)
    x, y = np.asarray(rows["inputs"])[:, 0], np.asarray(rows["targets"])
    assert set(np.unique(y)) == {0, 1}
    w = float(real.truth(settings()).coefficients[0])
    for low in (-2, -1, 0, 1):
        here = (x > low) & (x < low + 1)
        expected = 1 / (1 + np.exp(-w * x[here]))
        assert abs(y[here].mean() - expected.mean()) < 4.5 * 0.5 / np.sqrt(here.sum())


@pytest.mark.parametrize(
    ("table", "rows", "d"), [("diabetes", 442, 10), ("breast_cancer", 569, 30)]
)
def test_bundled_tables(table, rows, d):
    real = getattr(regression, table)()
    held = len(real.test["targets"])
    assert held == round(rows / 5) and real.num_rows == rows - held
    assert real.table["inputs"].shape == (rows - held, d) and real.num_features == d + 1
    np.testing.assert_allclose(real.table["inputs"].std(0), 1, rtol=1e-9)
    raw = getattr(regression, table)(standardize=False, num_test=10)
    assert raw.num_rows == rows - 10
    inputs, targets = getattr(datasets, f"load_{table}")(
        return_X_y=True, **({} if table == "breast_cancer" else {"scaled": False})
    )
    np.testing.assert_allclose(
        np.sort(np.append(raw.table["targets"], raw.test["targets"])), np.sort(targets)
    )
    np.testing.assert_allclose(
        np.vstack([raw.table["inputs"], raw.test["inputs"]]).sum(0), inputs.sum(0)
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_features": 0}, "data.num_features is 0, expected at least 1"),
        ({"scale": -1.0}, "data.scale is -1.0, expected a number of at least 0"),
    ],
)
def test_bad_input(change, sentence):
    for law in (regression.linear, regression.logistic):
        with pytest.raises(UserError, match=sentence):
            law(**change)

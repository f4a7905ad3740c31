"""The bundled tables: every row once, the stated scale, one split."""

import sys

import jax
import numpy as np
import pytest
from sklearn import datasets

from ouroboros_jax.data.tables import digits, iris, wine
from ouroboros_jax.errors import UserError

SHAPES = {iris: (150, 4), wine: (178, 13), digits: (1797, 64)}


@pytest.mark.parametrize("build", SHAPES, ids=lambda build: build.__name__)
def test_every_row_is_there_once(build):
    real = build(standardize=False)
    rows = np.concatenate([real.table, real.test])
    assert rows.shape == SHAPES[build]
    assert len(real.test) == int(0.2 * len(rows) + 0.5)
    assert (real.shape, real.num_features, real.truth) == (rows.shape[1:], rows.shape[1], None)
    expected = getattr(datasets, f"load_{build.__name__}")().data
    if build is digits:
        assert rows.dtype == np.float32
        assert (rows.min(), rows.max()) == (0, 1)
        rows = rows * 16
    np.testing.assert_array_equal(*(a[np.lexsort(a.T)] for a in (rows, expected)))


def test_the_hash_is_of_the_rows_and_their_split():
    assert iris().sha256 == iris(standardize=True).sha256 != iris(test_fraction=0.3).sha256


def test_wine_is_standardized_unless_told_otherwise():
    np.testing.assert_allclose(wine().table.std(0), 1)
    assert wine(standardize=False).table.var(0).max() > 1e4


def test_drawing_is_pure_and_of_exact_count():
    real = iris()

    @jax.jit
    def draw(table):
        keys = jax.random.split(jax.random.key(0), 8)
        return jax.vmap(lambda key: real.draw(key, None, table, 50))(keys)

    first, second = draw(real.table), draw(real.table)
    assert first.shape == (8, 50, 4)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_without_scikit_learn_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UserError, match=r"data.name=iris comes with scikit-learn"):
        iris()

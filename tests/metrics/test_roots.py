"""Triangular roots against NumPy's in double precision, of any rank, quickly found or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.metrics import roots
from ouroboros_jax.metrics.roots import root_of_rows, root_with_rows

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(("num", "columns", "rank"), [(200, 70, 70), (20, 70, 20), (200, 70, 69)])
def test_roots_of_many_columns(num, columns, rank):
    """The root of many columns squares to the matrix, whatever their rank and scales."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((num, columns)) * np.geomspace(1, 1e-3, columns)
    if rank == 69:
        rows[:, 40] = rows[:, 2] - 3 * rows[:, 35]
    root = np.asarray(jax.jit(root_of_rows)(jnp.asarray(rows, jnp.float32)), np.float64)
    assert (np.triu(root, 1) == 0).all() and (np.diagonal(root) >= 0).all()
    assert (np.diagonal(root) > 0).sum() == rank
    size = np.sqrt((rows**2).sum(0))
    error = (root @ root.T - rows.T @ rows) / np.outer(size, size)
    assert np.abs(error).max() < 1e-5


def test_roots_of_a_block_are_those_of_each_alone():
    """Whether Cholesky serves, columns depend on each other, or one holds NaN."""
    rng = np.random.default_rng(5)
    clear = rng.normal(size=(60, 12))
    dependent = clear.copy()
    dependent[:, 7] = dependent[:, :7].sum(1)
    broken = np.where(np.arange(12) == 3, np.nan, clear)
    rows = jnp.asarray(np.stack([clear, dependent, broken]), jnp.float32)
    together = jax.jit(jax.vmap(root_of_rows))(rows)
    for one, found in zip(rows, together, strict=True):
        np.testing.assert_allclose(jax.jit(root_of_rows)(one), found, rtol=1e-5, atol=1e-5)
    root = np.asarray(together[0], np.float64)
    np.testing.assert_allclose(root @ root.T, clear.T @ clear, rtol=1e-4, atol=1e-4)
    assert (np.diagonal(together[1]) > 0).sum() == 11


def test_clear_columns_take_no_turn_of_gram_schmidt(monkeypatch):
    """They are Cholesky's: with another factor the root is another."""
    rows = jnp.asarray(np.random.default_rng(6).normal(size=(200, 9)), jnp.float32)
    expected = root_of_rows(rows)
    monkeypatch.setattr(roots, "cholesky", lambda gram: 2 * jnp.linalg.cholesky(gram))
    np.testing.assert_allclose(root_of_rows(rows), 2 * expected, rtol=1e-5)


def float64_root(rows):
    """Rows [m, D], their lower triangular root by Householder."""
    upper = np.linalg.qr(np.vstack([rows, np.zeros((rows.shape[1], rows.shape[1]))]), mode="r")
    return (upper * np.where(np.diagonal(upper) < 0, -1, 1)[:, None]).T


def points_of(rng, rank, num, columns=12, smallest=1.0):
    """Rows of the given rank, whose spread falls to `smallest` along its directions."""
    turn = np.linalg.qr(rng.standard_normal((columns, columns)))[0][:rank]
    return rng.standard_normal((num, rank)) * np.geomspace(1, smallest, rank) @ turn


@pytest.mark.parametrize("rank", [12, 7, 1])
@pytest.mark.parametrize("smallest", [1.0, 1e-3])
def test_a_root_and_rows_along_it(rank, smallest):
    """What varies a thousandth as much in a direction is found there to a part in a thousand."""
    rng = np.random.default_rng(rank)
    both = points_of(rng, rank, 60, smallest=smallest if rank > 1 else 1.0)
    root = float64_root(both[:40]) * (np.arange(12) < rank)
    found = np.asarray(jax.jit(root_with_rows)(np.float32(root), np.float32(both[40:])), np.float64)
    assert (np.triu(found, 1) == 0).all()
    assert ((np.diagonal(found) > 0) == (np.arange(12) < rank)).all()
    np.testing.assert_allclose(found @ found.T, both.T @ both, rtol=1e-5, atol=2e-5)
    # Along the directions that they vary in, the ratio of what is found to what is.
    turned = np.linalg.lstsq(float64_root(both)[:, :rank], found[:, :rank], rcond=None)[0]
    np.testing.assert_allclose(turned @ turned.T, np.eye(rank), atol=2e-3 if smallest < 1 else 1e-5)


@pytest.mark.parametrize("case", ["other directions", "far apart", "nothing before", "nothing new"])
def test_a_root_and_rows_that_leave_it(case):
    rng = np.random.default_rng(3)
    before = points_of(rng, 5 if case == "other directions" else 12, 30)
    new = points_of(rng, 6, 20)
    before = before * {"far apart": 1e-3, "nothing before": 0.0}.get(case, 1.0)
    new = new * (case != "nothing new")
    root = float64_root(before) * (np.arange(12) < np.linalg.matrix_rank(before))
    found = np.asarray(jax.jit(root_with_rows)(np.float32(root), np.float32(new)), np.float64)
    expected = before.T @ before + new.T @ new
    np.testing.assert_allclose(found @ found.T, expected, atol=2e-5 * np.abs(expected).max())
    rank = np.linalg.matrix_rank(np.vstack([before, new]))
    assert (np.diagonal(found) > 0).sum() == rank


def test_rows_along_a_root_take_no_turn_of_gram_schmidt(monkeypatch):
    """Nor do they where the root is singular."""
    rng = np.random.default_rng(8)
    both = np.float32(points_of(rng, 7, 60))
    root = jnp.asarray(float64_root(both[:40]) * (np.arange(12) < 7), jnp.float32)
    new = jnp.asarray(both[40:])
    expected = root_with_rows(root, new)
    monkeypatch.setattr(roots, "cholesky", lambda square: 2 * jnp.linalg.cholesky(square))
    np.testing.assert_allclose(root_with_rows(root, new), 2 * expected, rtol=1e-5)

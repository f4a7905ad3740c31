"""Finite rows: exact counts, draws without replacement, the split, scaling, hashes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.data.base import as_points, check_counts, check_rows, finite, hash_rows, subset
from ouroboros_jax.errors import UserError

N = 12
ROWS = np.arange(N, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)


def draw_many(num, chains, table=ROWS):
    """Row numbers drawn by each of many chains, `[chains, num]`."""
    keys = jax.random.split(jax.random.key(num), chains)
    draw = jax.jit(jax.vmap(lambda key: subset(key, None, table, num)))
    return np.asarray(draw(keys))[..., 0].astype(int)


@pytest.mark.parametrize("num", [1, 5, N])
def test_draws_have_exact_counts_and_no_row_twice(num):
    drawn = draw_many(num, 500)
    assert drawn.shape == (500, num)
    assert all(len(set(row)) == num for row in drawn.tolist())


def test_the_whole_table_comes_back_in_another_order():
    drawn = draw_many(N, 50)
    np.testing.assert_array_equal(np.sort(drawn, 1), np.tile(np.arange(N), (50, 1)))
    assert len({tuple(row) for row in drawn.tolist()}) == 50


@pytest.mark.parametrize("num", [5, N])
def test_every_row_is_equally_likely_at_every_place(num):
    """Each of the N rows stands at place p with probability 1 / N, so prefixes are fair too."""
    chains = 20_000
    drawn = draw_many(num, chains)
    counts = np.stack([np.bincount(drawn[:, place], minlength=N) for place in range(num)])
    z = (counts - chains / N) / np.sqrt(chains / N * (1 - 1 / N))
    assert np.abs(z).max() < 4.5


def test_pairs_are_included_as_often_as_without_replacement():
    num, chains = 5, 20_000
    drawn = draw_many(num, chains)
    both = ((drawn == 3).any(1) & (drawn == 7).any(1)).mean()
    expected = num * (num - 1) / (N * (N - 1))
    assert abs(both - expected) < 4.5 * np.sqrt(expected * (1 - expected) / chains)


def test_a_draw_is_the_start_of_any_larger_draw():
    small, large, beyond = (subset(jax.random.key(3), None, ROWS, num) for num in (4, N, N + 5))
    np.testing.assert_array_equal(small, large[:4])
    np.testing.assert_array_equal(large, beyond[:N])
    np.testing.assert_array_equal(beyond[N:], large[:5])


def test_a_table_may_be_a_pytree_and_integers_stay_integers():
    table = {"image": np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2), "label": np.arange(6)}
    drawn = subset(jax.random.key(0), None, table, 4)
    assert drawn["image"].dtype == jnp.uint8
    np.testing.assert_array_equal(drawn["image"][:, 0, 0] // 4, drawn["label"])


def test_one_chain_equals_itself_among_many():
    def keys():
        return jax.random.split(jax.random.key(1), 6)

    together = jax.vmap(lambda key: subset(key, None, ROWS, 5))(keys())
    np.testing.assert_array_equal(together[4], subset(keys()[4], None, ROWS, 5))


@pytest.mark.parametrize(
    ("fraction", "held"), [(0.0, 0), (0.1, 1), (0.125, 2), (0.2, 2), (0.5, 6), (0.83, 10)]
)
def test_the_split_rounds_half_up_and_loses_no_row(fraction, held):
    data = finite("toy", ROWS, origin="here", test_fraction=fraction)
    assert (data.num_rows, len(data.test)) == (N - held, held)
    assert data.test.shape[1:] == (2,)
    np.testing.assert_array_equal(np.sort(np.concatenate([data.table, data.test]), 0), ROWS)


def test_held_out_rows_may_be_counted():
    assert len(finite("toy", ROWS, origin="here", num_test=5).test) == 5
    with pytest.raises(UserError, match=r"data.num_test is -1, expected at least 0"):
        finite("toy", ROWS, origin="here", num_test=-1)


def test_the_split_is_shuffled_and_the_same_every_time():
    first, second = (finite("toy", ROWS, origin="here") for _ in range(2))
    np.testing.assert_array_equal(first.table, second.table)
    # Pinned: where it changes, runs already on disk cannot be resumed.
    assert first.sha256 == second.sha256
    assert first.sha256.startswith("45367f86")
    assert (np.diff(first.table[:, 0]) < 0).any()


def test_standardize_uses_the_training_rows_alone():
    rng = np.random.default_rng(0)
    rows = rng.normal([5.0, -3e3, 7.0], [0.1, 50.0, 1.0], (40, 3))
    rows[:, 2] = 7.1  # constant: only centred
    plain = finite("toy", rows, origin="here")
    scaled = finite("toy", rows, origin="here", standardize=True)
    np.testing.assert_allclose(scaled.table.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.table.std(0), [1, 1, 0], atol=1e-12)
    mean, std = plain.table.mean(0), np.r_[plain.table[:, :2].std(0), 1]
    np.testing.assert_allclose(scaled.test, (plain.test - mean) / std, atol=1e-12)
    assert scaled.sha256 == plain.sha256, "the hash is of the rows before scaling"


def test_the_hash_tells_values_types_shapes_and_split_apart():
    rows = ROWS.copy()
    rows[0, 0] += 1e-6
    hashes = [hash_rows(array) for array in (ROWS, rows, ROWS.T, ROWS.astype(float))]
    hashes += [hash_rows(ROWS[:6], ROWS[6:]), hash_rows(ROWS[:5], ROWS[5:])]
    assert len(set(hashes)) == len(hashes)
    assert hash_rows(ROWS.astype(">f4")) == hash_rows(np.asfortranarray(ROWS)) == hashes[0]


@pytest.mark.parametrize(
    ("fraction", "message"),
    [
        (1.0, r"data.test_fraction is 1.0, expected at least 0 and less than 1"),
        (-0.1, r"data.test_fraction is -0.1, expected"),
        (0.95, r"toy has 12 rows and 11 are to be held out for testing"),
    ],
)
def test_a_wrong_share_is_refused(fraction, message):
    with pytest.raises(UserError, match=message):
        finite("toy", ROWS, origin="here", test_fraction=fraction)


@pytest.mark.parametrize("rows", [np.array([["a"], ["b"], ["c"]]), np.array([[{}]] * 3)])
def test_rows_that_are_not_numbers_are_refused(rows):
    with pytest.raises(UserError, match=r"toy holds values of type .*, expected real numbers"):
        finite("toy", rows, origin="here")


def test_rows_that_float32_cannot_square_are_refused():
    sentence = (
        r"toy holds 1.1e\+31 at row 11 .*, expected numbers that float32 can square: up to 1e\+15"
    )
    with pytest.raises(UserError, match=sentence):
        finite("toy", ROWS * np.where(ROWS == 11, 1e30, 1), origin="here")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64])
def test_learners_of_points_see_floats(dtype):
    data = finite("toy", (ROWS % 2).astype(dtype), origin="here")
    seen = as_points(data)
    assert seen.table.dtype.kind == seen.test.dtype.kind == "f"
    np.testing.assert_array_equal(seen.table, data.table)
    assert (data.table.dtype, seen.sha256) == (dtype, data.sha256)
    alone = as_points(finite("toy", ROWS[:, 0].astype(dtype), origin="here"))
    assert alone.shape == (1,) and alone.table.shape[1:] == alone.test.shape[1:] == (1,)
    with pytest.raises(UserError, match=r"shape \(10, 2, 1\), expected \[points\] or"):
        as_points(finite("toy", ROWS[..., None].astype(dtype), origin="here"))


def test_counts_beyond_the_table_are_refused():
    data = finite("toy", ROWS, origin="here")
    check_counts(data, num_data=10, num_real=10)
    with pytest.raises(UserError, match=r"11 real points .* toy has 10 rows .*\(2 more are held"):
        check_counts(data, num_data=11)
    with pytest.raises(UserError, match="11 fresh real points a generation"):
        check_counts(data, num_data=10, num_real=11)
    with pytest.raises(UserError, match=r"data.num_samples is 1, expected at least 2"):
        check_counts(data, num_data=1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, np.float16, ">f4", "<f8"])
def test_every_kind_of_number_becomes_a_float_that_holds_it(dtype):
    values = np.array([0, 1, 1, 0]).astype(dtype)
    rows = check_rows(values, "toy", "{0}".format)
    assert rows.shape == (4, 1)
    assert rows.dtype == (np.float64 if dtype in (np.int64, "<f8") else np.float32)
    np.testing.assert_array_equal(rows[:, 0], [0, 1, 1, 0])


def test_rows_of_a_64_bit_run_are_64_bit():
    table = np.array([[1 / 3], [2 / 3]])
    with jax.enable_x64(True):
        drawn = subset(jax.random.key(0), None, table, 2)
        assert drawn.dtype == jnp.float64
        np.testing.assert_array_equal(np.sort(np.asarray(drawn), 0), table)
    assert subset(jax.random.key(0), None, table, 2).dtype == jnp.float32

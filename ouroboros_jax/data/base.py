"""What real data is: a law that can be drawn from, or finite rows that all chains share.

`law` and `finite` build the two kinds. Finite rows are split once into training and held-out rows,
held outside the chains' state, and drawn without replacement.
"""

import hashlib
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Data, Key, Mixture, Settings
from ouroboros_jax.draws.numbers import unit_uniforms
from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import count_share

if TYPE_CHECKING:
    from ouroboros_jax.data.text import Text

SPLIT_SEED = 20240724  # for the single shuffle that splits rows into training and held-out ones
LARGEST = float(np.finfo(np.float32).max)
LARGEST_SQUARED = 1e15  # numbers whose squares float32 can add up


class RealData(NamedTuple):
    """Real data as a value: finite rows held once, or a law that can be drawn from.

    `draw(key, settings, table, num)` gives `num` points of one chain; it is pure, `num` is static,
    and `table` is the field of that name, passed so that a compiled program holds it once. The
    first m of the points are what `draw` gives for `num` = m with the same key. Of finite data, no
    N consecutive points contain a row twice; so a caller may draw up to a capacity and use a part.
    """

    draw: Callable[[Key, Settings, Data, int], Data]
    truth: Callable[[Settings], Mixture] | None  # the law of one chain; None if unknown
    table: Data | None  # numpy arrays [N, ...] shared by all chains; None for a law
    test: Data | None  # held-out rows, numpy, possibly none [0, ...]; None for a law: draw some
    name: str
    origin: str  # where it came from, for the record
    sha256: str  # of the rows before scaling, training then held-out; of a law's definition
    shape: Any  # of one point; a pytree of tuples if a point is a pytree
    dtype: Any = "float"  # likewise; "float" is the run's own, float32 or float64
    initial: "RealData | None" = None  # generation 0's, if later real points have another law
    note: str = ""  # a notice for the user about this data
    repeats: bool = False  # whether more rows may be requested than exist, see `subset`
    num_symbols: int | None = None  # V, if points are symbols 0..V - 1
    text: "Text | None" = None  # what tokens mean

    @property
    def num_rows(self) -> int | None:
        """Number of training rows; None if points are drawn from a law."""
        return None if self.table is None else len(jax.tree.leaves(self.table)[0])

    @property
    def num_features(self) -> int:
        """Numbers in one point, D."""

        def is_shape(node):
            return isinstance(node, tuple) and all(isinstance(size, int) for size in node)

        return sum(math.prod(shape) for shape in jax.tree.leaves(self.shape, is_leaf=is_shape))


def law(
    name: str,
    draw: Callable[[Key, Settings, int], Data],
    *,
    shape: tuple[int, ...],
    truth: Callable[[Settings], Mixture] | None = None,
    definition: Any = None,
    origin: str = "synthetic",
) -> RealData:
    """A law as real data, drawn anew for each chain by `draw(key, settings, num)`.

    `definition`, plain JSON, tells this law from others of its name: it has to match for a run to
    be resumed.
    """
    text = json.dumps([name, shape, definition], sort_keys=True)
    return RealData(
        draw=lambda key, settings, table, num: draw(key, settings, num),
        truth=truth,
        table=None,
        test=None,
        name=name,
        origin=origin,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        shape=shape,
    )


def parted(
    name: str, num_rows: int, num_test: int | None, test_fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training rows and of the held-out rows, by one shuffle for all runs.

    Raises:
      UserError: as `finite` does.
    """
    if not 0 <= test_fraction < 1:
        raise UserError(
            f"data.test_fraction is {test_fraction}, expected at least 0 and less than 1"
        )
    if num_test is None:
        num_test = count_share(test_fraction, num_rows)
    if num_test < 0:
        raise UserError(f"data.num_test is {num_test}, expected at least 0")
    if num_rows - num_test < 2:
        raise UserError(
            f"{name} has {num_rows} rows and {num_test} are to be held out for testing, "
            "expected at least 2 left to train on"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(num_rows)
    return order[num_test:], order[:num_test]


def standardized(table: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, minus the mean of `table` and divided by its standard deviation, float64; a constant
    feature is only centred."""
    wide = table.astype(np.float64)
    mean, scale = wide.mean(0, keepdims=True), wide.std(0, keepdims=True)
    scale = np.where(np.ptp(wide, axis=0, keepdims=True) > 0, scale, 1.0)
    return (wide - mean) / scale, (test.astype(np.float64) - mean) / scale


def finite(
    name: str,
    rows: np.ndarray,
    *,
    origin: str,
    num_test: int | None = None,
    test_fraction: float = 0.2,
    standardize: bool = False,
) -> RealData:
    """Rows `[N, D]` as real data, some of them held out.

    Rows are of real numbers, and a learner of points sees floats. The split is one fixed shuffle:
    `num_test` rows, or else round_half_up(test_fraction * N), are held out, the same in every run
    and for every seed. `standardize` subtracts the training rows' mean and divides by their
    standard deviation (by N, not N - 1).

    Raises:
      UserError: for rows that are not numbers, a negative count, a fraction outside [0, 1), or
        fewer than 2 rows left.
    """
    _check_type(rows, name)
    if not standardize:
        _check_size(rows, name, "row {0} (counted from 0)".format)
    kept, held = parted(name, len(rows), num_test, test_fraction)
    table, test = rows[kept], rows[held]
    sha256 = hash_rows(table, test)
    if standardize:
        table, test = standardized(table, test)
    return RealData(
        draw=subset,
        truth=None,
        table=table,
        test=test,
        name=name,
        origin=origin,
        sha256=sha256,
        shape=rows.shape[1:],
    )


def subset(key: Key, settings: Settings, table: Data, num: int) -> Data:
    """`num` rows of `table` without replacement, in random order; all of them if `num` is N.

    Every ordered choice is equally likely (to within ties of float32 scores, about N / 2^24 of a
    place), and the first m rows are those of a draw of m. Rows past N, for callers that draw
    up to a capacity, begin the same order again.
    """
    del settings
    table = jax.tree.map(jnp.asarray, table)
    size = jax.tree.leaves(table)[0].shape[0]
    scores = unit_uniforms(key, (size,), jnp.float32)
    _, order = jax.lax.top_k(scores, min(num, size))
    if num > size:
        order = order[jnp.arange(num) % size]
    return jax.tree.map(lambda rows: _as_float(rows[order]), table)


def check_counts(real: RealData, *, num_data: int, num_real: int = 0) -> None:
    """Refuse counts that the real data cannot serve.

    Args:
      real: the real data.
      num_data: points of the real data set of generation 0.
      num_real: the most fresh real points that a later generation asks for.

    Raises:
      UserError: in one sentence, naming the count and the rows that exist.
    """
    if num_data < 2:
        raise UserError(f"data.num_samples is {num_data}, expected at least 2 real points")
    if real.num_rows is None or real.repeats:
        return
    held = len(jax.tree.leaves(real.test)[0]) if real.test is not None else 0
    has = f"{real.name} has {real.num_rows} rows to train on"
    has += f" ({held} more are held out for testing)" if held else ""
    if num_data > real.num_rows:
        raise UserError(
            f"{num_data} real points were asked for, but {has}: "
            f"set num_samples, or data.num_samples alone, to {real.num_rows} or fewer"
        )
    if num_real > real.num_rows:
        raise UserError(
            f"{num_real} fresh real points a generation were asked for, but {has}: "
            "lower num_samples or the share of real data"
        )


def check_rows(
    rows: np.ndarray,
    name: str,
    place: Callable[[int, int], str],
    *,
    standardize: bool = False,
) -> np.ndarray:
    """Rows `[N, D]` of finite floats from an array of numbers; 1-D arrays become `[N, 1]`.

    Args:
      rows: any array.
      name: what to call it in a refusal.
      place: words for a (row, column), both from 0.
      standardize: whether they are going to be scaled, and may be large.

    Raises:
      UserError: for rows that are not numbers, not a table, too few, not finite or too large.
    """
    _check_type(rows, name)
    if rows.size == 0:
        raise UserError(f"{name} is empty (shape {rows.shape}), expected at least 2 rows")
    rows = _as_features(rows, name)
    if len(rows) < 2:
        raise UserError(f"{name} has 1 row, expected at least 2")
    bad = ~np.isfinite(rows)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        count = int(bad.sum())
        values = "missing or non-finite value" + ("s" if count > 1 else "")
        raise UserError(
            f"{name} holds {count} {values} (NaN or infinity), "
            f"the first at {place(int(row), int(column))}, expected finite numbers"
        )
    _check_size(rows, name, place, LARGEST if standardize else None)
    return rows


def as_points(real: RealData) -> RealData:
    """The same data for learners of points: one array of rows becomes floats `[N, D]`, as those of
    a file are.

    Raises:
      UserError: for an array of another shape.
    """
    if not hasattr(real.table, "dtype"):
        return real
    table, test = (
        None if rows is None else _as_features(np.asarray(rows), real.name)
        for rows in (real.table, real.test)
    )
    return real._replace(table=table, test=test, shape=table.shape[1:])


def _check_type(rows: np.ndarray, name: str) -> None:
    if rows.dtype.kind not in "biuf":
        raise UserError(f"{name} holds values of type {rows.dtype}, expected real numbers")


def _check_size(
    rows: np.ndarray, name: str, place: Callable[..., str], most: float | None = None
) -> None:
    """Refuse numbers beyond `most`: by default, those that the run's floats cannot square."""
    if most is None:
        is_single = jnp.result_type(float) == jnp.float32
        most = LARGEST_SQUARED if is_single else LARGEST
    bad = np.abs(rows) > most
    if bad.any():
        where = tuple(np.argwhere(bad)[0].tolist())
        within = (
            "within float32's range of" if most == LARGEST else "that float32 can square: up to"
        )
        raise UserError(
            f"{name} holds {rows[where]:.3g} at {place(*where)}, "
            f"expected numbers {within} {most:.2g}"
        )


def _as_features(rows: np.ndarray, name: str) -> np.ndarray:
    """Rows `[N, D]` of floats that hold the numbers exactly, as far as 64 bits do."""
    if rows.ndim not in (1, 2):
        raise UserError(
            f"{name} holds an array of shape {rows.shape}, expected [points] or [points, features]"
        )
    exact = rows.itemsize < 4 or (rows.dtype.kind == "f" and rows.itemsize == 4)
    rows = rows.astype(np.float32 if exact else np.float64, copy=False)
    return rows if rows.ndim == 2 else rows[:, None]


def hash_rows(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays: shape, type and little-endian bytes of each, in C order."""
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


def _as_float(rows: jax.Array) -> jax.Array:
    is_float = jnp.issubdtype(rows.dtype, jnp.floating)
    return rows.astype(jnp.result_type(float)) if is_float else rows

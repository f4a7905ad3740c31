"""Settings that change from one generation to the next.

A schedule is written as a number, a list (value at generation g, the last one repeats), or
`linear(a, b)` for a + b g or `geometric(a, r)` for a r^g, with g our generation: 0 is the fit to
real data. A config keeps it as it was written; `parse` makes it something that can be evaluated.
"""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from ouroboros_jax.errors import UserError, nearest


class Schedule:
    """A value for every generation. `at(generations)` is float64 of the shape of `generations`."""

    is_constant = False

    def at(self, generations: np.ndarray) -> np.ndarray:
        """The values at integer `generations`; each is a function of its own generation alone."""
        generations = np.asarray(generations)
        values = [self._one(int(g)) for g in generations.ravel()]
        return np.array(values, np.float64).reshape(generations.shape)

    def _one(self, generation: int) -> float:
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every generation."""

    value: float
    is_constant = True

    def at(self, generations: np.ndarray) -> np.ndarray:
        return np.full(np.shape(generations), self.value, np.float64)


@dataclass(frozen=True)
class Steps(Schedule):
    """`values[g]` at generation g; the last one repeats."""

    values: tuple[float, ...]

    def at(self, generations: np.ndarray) -> np.ndarray:
        last = len(self.values) - 1
        return np.array(self.values, np.float64)[np.minimum(generations, last)]


@dataclass(frozen=True)
class Linear(Schedule):
    """start + slope * g, computed in decimal on the numbers as written: 0.05 * 7 is 0.35."""

    start: float
    slope: float

    def __str__(self):
        return f"linear({self.start!r}, {self.slope!r})"

    def _one(self, generation):
        return float(Decimal(repr(self.start)) + Decimal(repr(self.slope)) * generation)


@dataclass(frozen=True)
class Geometric(Schedule):
    """start * ratio^g, infinite if that overflows."""

    start: float
    ratio: float

    def __str__(self):
        return f"geometric({self.start!r}, {self.ratio!r})"

    def _one(self, generation):
        try:
            return self.start * math.pow(self.ratio, generation)
        except OverflowError:
            return math.copysign(math.inf, self.start)


@dataclass(frozen=True)
class Golden(Schedule):
    """The golden-ratio weight of the real points, (sqrt(k^2 + 4k) - k) / 2.

    k is the number of real points per synthetic one, `count_share(fraction, num)` of `num`.

    References:
      He, Xu and Cheng, Golden Ratio Weighting Prevents Model Collapse, 2025 (arXiv 2502.18049).
    """

    fraction: Schedule
    num: Schedule

    def at(self, generations: np.ndarray) -> np.ndarray:
        num = round_half_up(self.num.at(generations))
        real = count_share(self.fraction.at(generations), num).astype(np.float64)
        root = np.sqrt(real * (real + 4 * (num - real)))
        return np.divide(2 * real, root + real, out=np.zeros_like(real), where=real > 0)


@dataclass(frozen=True)
class Switched(Schedule):
    """`before` up to generation `last`, `after` from the next on; both count from generation 0."""

    before: Schedule
    after: Schedule
    last: int

    def __str__(self):
        return f"{_shown(self.before)} to generation {self.last}, then {_shown(self.after)}"

    def at(self, generations: np.ndarray) -> np.ndarray:
        is_before = np.asarray(generations) <= self.last
        return np.where(is_before, self.before.at(generations), self.after.at(generations))


def _shown(schedule: Schedule) -> str:
    return str(canonical(schedule))


KINDS = {"linear": Linear, "geometric": Geometric}


def linear(a: float, b: float) -> Linear:
    """The schedule a + b * g."""
    return Linear(_number(a, f"linear({a!r}, {b!r})"), _number(b, f"linear({a!r}, {b!r})"))


def geometric(a: float, r: float) -> Geometric:
    """The schedule a * r ** g."""
    text = f"geometric({a!r}, {r!r})"
    return Geometric(_number(a, text), _number(r, text))


def _number(value: Any, text: str) -> float | int:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{text} is not a schedule: {value!r} is not a finite number")
    return value


def canonical(value: Any) -> Any:
    """The plain, hashable, JSON-ready form of a schedule: a number, a tuple, or its text."""
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, Steps):
        return value.values
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        value = parse(value)
    if isinstance(value, Schedule):
        return str(value)
    if isinstance(value, list | tuple | range):
        if not len(value):
            raise UserError("an empty list is not a schedule: it needs at least one value")
        return tuple(_number(v, str(value)) for v in value)
    return _number(value, repr(value))


@lru_cache(maxsize=65536, typed=True)
def _parse(value: Any) -> Schedule:
    if isinstance(value, tuple):
        return Steps(canonical(value)) if len(set(value)) != 1 else Constant(_number(value[0], ""))
    if not isinstance(value, str):
        return Constant(_number(value, repr(value)))
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", value)
    name, arguments = match.groups() if match else (value, "")
    if name not in KINDS or not match:
        raise UserError(
            f"{value!r} is not a schedule: expected a number, a list, 'linear(a, b)' (a + b g) or "
            f"'geometric(a, r)' (a r^g) over generations g{nearest(name, KINDS)}"
        )
    try:
        numbers = [float(part) if _is_real(part) else int(part) for part in arguments.split(",")]
        first, second = numbers
    except ValueError:
        raise UserError(f"{value!r} is not a schedule: {name} takes two numbers") from None
    return (linear if name == "linear" else geometric)(first, second)


def _is_real(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d[\d_]*\s*", text) is None


def parse(value: Any) -> Schedule:
    """A schedule from anything a config may hold: number, list, text, or a schedule."""
    if isinstance(value, Schedule):
        return value
    return _parse(value if isinstance(value, str) else canonical(value))


def round_half_up(values: np.ndarray) -> np.ndarray:
    """Whole numbers, int64, halves rounded up."""
    return np.floor(np.asarray(values, np.float64) + 0.5).astype(np.int64)


def count_share(fraction: Any, num: Any) -> Any:
    """The count that is a `fraction` of `num` points, halves rounded up, exact in decimal.

    The product is taken on the fraction as written, so that 0.35 of 10 is 4 although the float
    0.35 is below 7/20. Arrays broadcast.

    Args:
      fraction: float or an array of them, in [0, 1].
      num: int or an array of them.

    Returns:
      An int, or an int64 array.
    """
    if np.ndim(fraction) == 0 and np.ndim(num) == 0:
        product = Decimal(repr(float(fraction))) * int(num)
        return int(product.to_integral_value(ROUND_HALF_UP))
    fraction, num = np.broadcast_arrays(np.asarray(fraction, np.float64), np.asarray(num))
    counts = round_half_up(fraction * num)
    close = np.abs(np.mod(fraction * num, 1) - 0.5) < 1e-5  # floats may fall on the wrong side
    for place in zip(*np.nonzero(close), strict=True):
        counts[place] = _count_one(float(fraction[place]), int(num[place]))
    return counts


@lru_cache(maxsize=65536)
def _count_one(fraction: float, num: int) -> int:
    return count_share(fraction, num)


@lru_cache(maxsize=65536, typed=True)
def extremes(value: Any, generations: int) -> tuple[float, int, float, int]:
    """Lowest value and its generation, highest value and its generation, over 0..generations."""
    schedule = parse(value)
    if schedule.is_constant:
        return schedule.value, 0, schedule.value, 0
    last = len(schedule.values) - 1 if isinstance(schedule, Steps) else generations
    values = schedule.at(np.arange(min(last, generations) + 1))
    low, high = int(values.argmin()), int(values.argmax())
    return float(values[low]), low, float(values[high]), high

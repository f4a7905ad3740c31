"""Schedules: values at generations, exact counts, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import (
    Golden,
    canonical,
    count_share,
    extremes,
    geometric,
    linear,
    parse,
)

FIVE = np.arange(5)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (3, [3, 3, 3, 3, 3]),
        ([5, 4, 3], [5, 4, 3, 3, 3]),
        ((7.5,), [7.5] * 5),
        ("linear(100, 10)", [100, 110, 120, 130, 140]),
        ("linear( 1 , -0.25 )", [1, 0.75, 0.5, 0.25, 0]),
        ("geometric(8, .5)", [8, 4, 2, 1, 0.5]),
        (linear(1, 2), [1, 3, 5, 7, 9]),
        (geometric(1, 3), [1, 3, 9, 27, 81]),
    ],
)
def test_values_at_generations(written, values):
    schedule = parse(written)
    np.testing.assert_array_equal(schedule.at(FIVE), values)
    assert schedule.at(FIVE).dtype == np.float64
    assert schedule.is_constant == (len(set(values)) == 1)


@pytest.mark.parametrize("written", [3, 2.5, [1, 2], "linear(0.1, -0.02)", "geometric(1, 0.99)"])
def test_plain_form_round_trips(written):
    plain = canonical(written)
    assert canonical(plain) == plain
    assert parse(plain) == parse(written)
    assert canonical(parse(written)) == plain


def test_a_value_depends_on_its_own_generation_alone():
    schedule = parse("geometric(0.7, 0.993)")
    whole = schedule.at(np.arange(1000))
    parts = [schedule.at(np.arange(start, start + 7)) for start in range(0, 994, 7)]
    np.testing.assert_array_equal(whole[:994], np.concatenate(parts))


def test_linear_is_exact_on_the_numbers_as_written():
    assert parse("linear(0, 0.05)").at(np.array([3, 7])).tolist() == [0.15, 0.35]


def test_geometric_overflows_to_infinity():
    assert parse("geometric(-1, 10)").at(np.array([400])) == -np.inf


def test_equal_numbers_of_two_kinds_are_two_schedules():
    assert linear(1, 2) != geometric(1, 2)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("linea(1, 2)", r"'linea\(1, 2\)' is not a schedule.*did you mean 'linear'\?"),
        ("linear(1)", r"'linear\(1\)' is not a schedule: linear takes two numbers"),
        ("linear(1, 2, 3)", "linear takes two numbers"),
        ("geometric(1, x)", "geometric takes two numbers"),
        ("linear(1, inf)", "inf is not a finite number"),
        ("soon", "'soon' is not a schedule: expected a number, a list"),
        ([], "empty list"),
        ([1, None], "None is not a finite number"),
        (True, "True is not a finite number"),
        (float("nan"), "nan is not a finite number"),
    ],
)
def test_refusals(written, sentence):
    with pytest.raises(UserError, match=sentence):
        parse(written)


def test_count_share_agrees_with_rational_arithmetic():
    hundredths, nums = np.arange(0, 101), np.array([1, 2, 3, 7, 10, 50, 99, 100, 1000, 123_457])
    expected = [[(2 * h * n + 100) // 200 for n in nums.tolist()] for h in hundredths.tolist()]
    fractions = np.array([float(f"0.{h:02d}") if h < 100 else 1.0 for h in hundredths])
    np.testing.assert_array_equal(count_share(fractions[:, None], nums[None]), expected)
    one_by_one = [[count_share(f, n) for n in nums.tolist()] for f in fractions.tolist()]
    np.testing.assert_array_equal(one_by_one, expected)


def test_count_share_rounds_the_written_half_up():
    assert Fraction(0.35) < Fraction(7, 20), "a float product would round down"
    assert count_share(0.35, 10) == 4
    assert count_share(np.array([0.35, 0.25, 0.05]), np.array(10)).tolist() == [4, 3, 1]
    assert count_share(0.35, 10_000_000) == 3_500_000


def test_golden_weights():
    """k = 1: 1 / phi; k = 2: .732051; k = 1/2: .5 (He, Xu and Cheng)."""
    for fraction, num, weight in [(0.5, 10, 0.6180340), (2 / 3, 30, 0.7320508), (1 / 3, 30, 0.5)]:
        golden = Golden(parse(fraction), parse(num))
        np.testing.assert_allclose(golden.at(np.array([0])), [weight], rtol=1e-6)
    ends = Golden(parse([0, 1]), parse(10)).at(np.arange(3))
    np.testing.assert_array_equal(ends, [0, 1, 1])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5, (5, 0, 5, 0)),
        ((3, 9, 1, 4), (1, 2, 9, 1)),
        ("linear(100, -10)", (-100, 20, 100, 0)),
        ("geometric(1, 2)", (1, 0, 2**20, 20)),
    ],
)
def test_extremes(written, expected):
    assert extremes(written, 20) == expected


def test_extremes_look_no_further_than_the_run():
    assert extremes((3, 9, 1, 4), 1) == (3, 0, 9, 1)

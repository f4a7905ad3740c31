"""Checking a value against its setting: its type, range and plain form, with refusals in words."""

import ast
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.errors import UserError, nearest
from ouroboros_jax.schedule import Schedule, canonical
from ouroboros_jax.settings.setting import COUNT, Setting

SCHEDULE = "a schedule (a list, linear(a, b) or geometric(a, r))"
LARGEST = 3.4e38  # of float32
MOST = 2**63 - 1
WORDS = {"true": True, "false": False, "yes": True, "no": False}


def parse_text(text: str) -> Any:
    """A value as written on the command line: a Python literal, or else the text itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def check_value(path: str, setting: Setting, value: Any) -> Any:
    """The value in its plain form, of the right type and in range.

    Raises:
      UserError: naming the value and what was expected.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, ConfigDict):
        value = value.to_dict()
    if value is None and setting.optional:
        return None
    if path == "sweep":
        if not isinstance(value, Mapping):
            raise UserError(f"sweep={value!r} is not {describe(setting)}")
        return dict(value)
    if setting.is_scheduled:
        is_text = isinstance(value, str) and "(" in value
        if is_text or isinstance(value, Schedule | list | tuple | range):
            return _check_schedule(path, setting, value)
    is_word = isinstance(value, str) and str in setting.types and "," not in value
    if tuple in setting.types and not isinstance(value, int | float) and not is_word:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, list | tuple | range):
            return tuple(_check_item(path, setting, item) for item in value)
    return _check_scalar(path, setting, value, setting.types)


def _check_schedule(path: str, setting: Setting, value: Any) -> Any:
    try:
        value = canonical(value)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if isinstance(value, tuple):
        kinds = tuple(kind for kind in setting.types if kind is not str)
        value = tuple(_check_scalar(path, setting, item, kinds) for item in value)
    return value


def _check_item(path: str, setting: Setting, item: Any) -> Any:
    is_any = setting.item is object
    if isinstance(item, list | tuple) and (setting.nested or is_any):
        inside = setting._replace(nested=False)
        return tuple(_check_item(path, inside, inner) for inner in item)
    if is_any:
        return item
    setting = setting._replace(kinds=(setting.item,), optional=False)
    return _check_scalar(path, setting, item, setting.kinds)


def _check_scalar(path: str, setting: Setting, value: Any, kinds: tuple[type, ...]) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if bool in kinds and isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    if bool in kinds and isinstance(value, bool):
        return value
    if is_number and (int in kinds or float in kinds):
        if isinstance(value, int) and abs(value) > MOST:
            raise UserError(
                f"{path}={str(value)[:20]}... is out of range: expected {describe_number(setting)}"
            )
        if float in kinds and int not in kinds:
            value = float(value)
        elif float not in kinds and math.isfinite(value) and int(value) == value:
            value = int(value)
        if float in kinds or isinstance(value, int):
            if in_range(setting, value):
                return value
            expected = describe_number(setting, value)
            raise UserError(f"{path}={value} is out of range: expected {expected}")
    if isinstance(value, str) and str in kinds:
        if not setting.choices or value in setting.choices:
            return value
        hint = nearest(value, setting.choices)
        raise UserError(f"{path}={value!r} is unknown: expected {describe(setting)}{hint}")
    raise UserError(f"{path}={value!r} is not {describe(setting)}")


def in_range(setting: Setting, value: float) -> bool:
    """Whether a number is finite, within the setting's bounds, and representable on the device."""
    low, high = setting.low, setting.high
    if abs(value) > (LARGEST if float in setting.types else MOST):
        return False
    if high is None and float not in setting.types:
        high = COUNT
    above = low is None or value > low or (value == low and not setting.open_low)
    below = high is None or value < high or (value == high and not setting.open_high)
    return math.isfinite(value) and above and below


def describe(setting: Setting) -> str:
    """What a setting may hold, in words: `a number in [0, 1]`."""
    words = []
    for kind in setting.types:
        if kind is bool:
            words.append("true or false")
        elif kind is int or kind is float:
            words.append(describe_number(setting))
        elif kind is str:
            words += [repr(word) for word in setting.choices] or ["text"]
        elif kind is tuple:
            of = {int: "whole numbers", float: "numbers", str: "names"}.get(setting.item, "values")
            of_items = setting.choices and str not in setting.types
            choices = f" from {', '.join(setting.choices)}" if of_items else ""
            words.append(f"a list of {of}{'' if choices else _bounds(setting)}{choices}")
        elif kind is dict:
            words.append("a dict from a setting to a list of values")
    if setting.is_scheduled:
        words.append(SCHEDULE)
    if setting.optional:
        words.append("None")
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def describe_number(setting: Setting, value: float = 0) -> str:
    """The numbers that a setting may hold, in words; `value` is the one given."""
    kind = "a whole number" if int in setting.types else "a number"
    if not math.isfinite(value):
        kind = kind.replace("a ", "a finite ")
    return kind + _bounds(setting, value)


def _bounds(setting: Setting, value: float = 0) -> str:
    low, high = setting.low, setting.high
    if high is not None and high >= COUNT and value <= high:
        high = None  # the device's limit, too large to be worth a mention
    if low is not None and high is not None:
        if high >= COUNT:
            return f" from {low:g} to {high}"
        left, right = "(" if setting.open_low else "[", ")" if setting.open_high else "]"
        return f" in {left}{low:g}, {high:g}{right}"
    if low is not None:
        return f" above {low:g}" if setting.open_low else f" of at least {low:g}"
    if high is not None:
        return f" below {high:g}" if setting.open_high else f" of at most {high:g}"
    return ""

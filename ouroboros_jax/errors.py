"""The one error that is the user's to fix, and the words for what they may have meant."""

import difflib
import traceback
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import Any


class UserError(ValueError):
    """One clear sentence: the value, what was expected, and the nearest valid name.

    The command line prints it to stderr and exits 2, without a traceback.
    """


def nearest(name: object, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name closest to `name`, or nothing.

    For dotted paths the last parts are compared, within the section if it is known, so that
    `componets` finds `learner.components` and `learner.x` finds nothing.
    """
    name, known = str(name), [str(other) for other in known]
    head, dot, tail = name.rpartition(".")
    within = [other for other in known if dot and other.startswith(f"{head}.")]
    if within:
        tails = {other[len(head) + 1 :]: other for other in within}
        close = [tails[match] for match in difflib.get_close_matches(tail, tails, 1, 0.6)]
    else:
        tails = {other.rpartition(".")[2]: other for other in known}
        close = difflib.get_close_matches(name, known, 1, 0.6)
        close = close or [tails[match] for match in difflib.get_close_matches(tail, tails, 1, 0.7)]
    return f"; did you mean {close[0]!r}?" if close else ""


def failure(error: BaseException, path: Path | None = None) -> str:
    """`line 3: ZeroDivisionError: division by zero`: what failed, and where in the file `path`."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    what: object = error
    if isinstance(error, SyntaxError):
        what = error.msg
        frames.append((error.filename, error.lineno))
    here = path and path.resolve()
    lines = [line for name, line in frames if here and name and Path(name).resolve() == here]
    where = f"line {lines[-1]}: " if lines else ""
    first = str(what).strip().partition("\n")[0]  # jax explains some errors in many lines
    return f"{where}{type(error).__name__}: {first}"


def whole_number(name: str, value: Any, low: int | None = None) -> int:
    """`value` as an int.

    Raises:
      UserError: no whole number, or one below `low`.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or (low is not None and value < low):
        shown = getattr(value, "tolist", lambda: value)()  # a NumPy number as Python writes it
        least = "" if low is None else f" of at least {low}"
        raise UserError(f"{name}={shown!r}: expected a whole number{least}")
    return int(value)


def reason(error: BaseException, most: int = 120) -> str:
    """The first line of an error that another library raised, up to `most` characters; its type
    where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:most]


def listed(names: Iterable[object], word: str = "and") -> str:
    """`a, b and c`."""
    *head, last = [str(name) for name in names] or ["none"]
    return f"{', '.join(head)} {word} {last}" if head else last


def either(names: Iterable[object]) -> str:
    """`a, b or c`."""
    return listed(names, "or")

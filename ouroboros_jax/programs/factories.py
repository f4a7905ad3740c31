"""From names to values: the learner, regime, selector and real data that a point names."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ouroboros_jax import registry
from ouroboros_jax.base import Learner
from ouroboros_jax.data.base import RealData, as_points
from ouroboros_jax.errors import UserError, failure
from ouroboros_jax.regimes import Regime
from ouroboros_jax.selectors import Select


def make_real(point: registry.Point) -> RealData:
    """The real data a point names."""
    entry = registry.find("data", point["data.name"])
    path = [registry.data_path(point)] if entry in registry.BY_PATH else []
    real = _made("data", point, RealData, *path)
    is_of_points = registry.find("learner", point["learner.name"]).kind == "points"
    return as_points(real) if is_of_points else real


def make_learner(point: registry.Point) -> Learner:
    """The learner a point names, with the metrics it asks for if the learner offers a choice."""
    factory = registry.load(registry.find("learner", point["learner.name"]))
    parameters = inspect.signature(factory).parameters
    told = {}
    if "metrics" in parameters:
        told["metrics"] = point["metrics"] or None
    if "num_symbols" in parameters:  # which the points alone do not tell
        told["num_symbols"] = make_real(point).num_symbols
    if "text" in parameters:
        told["text"] = make_real(point).text
    return _made("learner", point, Learner, **told)


def make_regime(point: registry.Point) -> Regime:
    """The regime a point names."""
    return _made("regime", point, Regime).check()


def make_selector(point: registry.Point) -> Select | None:
    """The selector a point names; None if every point is kept.

    Raises:
      UserError: for a score of a symbol or token that does not exist.
    """
    name = point["selector.name"]
    if name == "none":
        return None
    if point.get("selector.score") == "feature":
        _check_symbol(point)
    return _made("selector", point, Callable)


def _made(section: str, point: registry.Point, kind: type, *args: Any, **told: Any) -> Any:
    """What the factory of a section's name returns.

    Raises:
      UserError: for a user's own factory that fails, or returns something other than a `kind`.
    """
    name = point[f"{section}.name"]
    factory = registry.load(registry.find(section, name))
    try:
        made = factory(*args, **registry.options(section, point), **told)
    except UserError:
        raise
    except Exception as error:
        if ":" not in name:
            raise
        raise failed(section, name, error) from error
    if not isinstance(made, kind):
        raise UserError(
            f"{section}.name={name!r} gave a {type(made).__name__}, expected a {kind.__name__}"
        )
    return made


def failed(section: str, name: str, error: Exception) -> UserError:
    """The refusal of a user's own `module:function` that failed, with the line of its file."""
    factory = inspect.unwrap(registry.load(registry.find(section, name)))
    code = getattr(factory, "__code__", None)
    told = failure(error, Path(code.co_filename) if code else None)
    return UserError(f"{section}.name={name!r} failed: {told}")


def _check_symbol(point: registry.Point) -> None:
    if registry.find("learner", point["learner.name"]).kind not in ("symbols", "tokens"):
        return
    real = make_real(point)
    num = real.text.tokenizer.size if real.text else real.num_symbols
    if num is not None and point["selector.index"] >= num:
        raise UserError(
            f"selector.index={point['selector.index']} is out of range: {real.name} has {num:,} "
            "symbols, counted from 0"
        )

"""From names to values: the learner, regime, selector and real data that a point names."""

import inspect

from ouroboros_jax import registry
from ouroboros_jax.base import Learner
from ouroboros_jax.data.base import RealData
from ouroboros_jax.errors import UserError
from ouroboros_jax.regimes import Regime
from ouroboros_jax.selectors import Select


def make_real(point: registry.Point) -> RealData:
    """The real data a point names."""
    entry = registry.find("data", point["data.name"])
    options = registry.options("data", point)
    factory = registry.load(entry)
    if entry in registry.BY_PATH:
        return factory(registry.data_path(point), **options)
    return factory(**options)


def make_learner(point: registry.Point) -> Learner:
    """The learner a point names, with the metrics it asks for where the learner offers a choice."""
    entry = registry.find("learner", point["learner.name"])
    options = registry.options("learner", point)
    factory = registry.load(entry)
    parameters = inspect.signature(factory).parameters
    if "metrics" in parameters:
        options["metrics"] = point["metrics"] or None
    if "num_symbols" in parameters:  # what points do not say themselves
        options["num_symbols"] = make_real(point).num_symbols
    if "text" in parameters:
        options["text"] = make_real(point).text
    return factory(**options)


def make_regime(point: registry.Point) -> Regime:
    """The regime a point names."""
    entry = registry.find("regime", point["regime.name"])
    return registry.load(entry)(**registry.options("regime", point)).check()


def make_selector(point: registry.Point) -> Select | None:
    """The selector a point names; None where every point is kept.

    Raises:
      UserError: for a score of a symbol or token that there is not.
    """
    name = point["selector.name"]
    if name == "none":
        return None
    if point.get("selector.score") == "feature":
        _check_symbol(point)
    return registry.load(registry.find("selector", name))(**registry.options("selector", point))


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

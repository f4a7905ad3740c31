"""Selecting metrics by name; NaN for those whose inputs (truth, test data) are unknown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Metrics


def chosen_metrics(metrics: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names of metrics to record: all known ones if `metrics` is None.

    Raises:
      ValueError: for names that are not known.
    """
    wanted = tuple(known if metrics is None else metrics)
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"metrics={unknown}: expected names among {', '.join(known)}.")
    return wanted


def computed(compute: Mapping[str, Callable[[], jax.Array]], wanted: Sequence[str]) -> Metrics:
    """The wanted metrics of `compute`; nothing else is computed."""
    return {name: compute[name]() for name in wanted if name in compute}


def picked(found: Metrics, wanted: Sequence[str]) -> Metrics:
    """The wanted metrics of `found`, for metrics that are computed together."""
    return {name: value for name, value in found.items() if name in wanted}


def if_known(given: Any, function: Callable[[Any], jax.Array], dtype: Any) -> jax.Array:
    """`function(given)`, or NaN if `given` is None: no truth, no test data."""
    return jnp.full((), jnp.nan, dtype) if given is None else function(given)

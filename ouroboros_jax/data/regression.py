"""Inputs with targets: laws with known coefficients, and two of scikit-learn's bundled tables.

A point is a dict, `inputs` [D] and `targets` []; classes are the targets 0 and 1. Inputs of the
laws are standard normal, so that the squared distance of two vectors of coefficients is the
difference in their noiseless test errors.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.data.base import RealData, hash_rows, law, parted, standardized, subset
from ouroboros_jax.data.tables import bundled
from ouroboros_jax.draws.numbers import normals
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.errors import UserError


class Coefficients(NamedTuple):
    """The coefficients of targets with mean (or logit) `inputs @ coefficients + intercept`."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []


def linear(*, num_features: int = 5, scale: float = 1.0, layout_seed: int = 0) -> RealData:
    """Targets x . w + N(0, noise^2), inputs N(0, I); `data.noise` is a traced setting.

    The coefficients w are `scale` times standard normals, drawn once from `layout_seed` and the
    same for all chains.

    References:
      Gerstgrasser et al., Is Model Collapse Inevitable?, 2024 (arXiv 2404.01413).
    """

    def targets(key, settings, mean):
        noise = jnp.asarray(settings.data["noise"], mean.dtype)
        return mean + noise * normals(key, mean.shape, mean.dtype)

    return _law("linear", num_features, scale, layout_seed, targets)


def logistic(*, num_features: int = 5, scale: float = 1.0, layout_seed: int = 0) -> RealData:
    """Targets 1 with probability 1 / (1 + exp(-x . w)), else 0; inputs N(0, I), w as in `linear`.

    References:
      Dey and Donoho, Universality of the pi^2/6 Pathway, 2024 (arXiv 2410.22812).
    """

    def targets(key, settings, mean):
        del settings
        return jax.random.bernoulli(key, jax.nn.sigmoid(mean)).astype(mean.dtype)

    return _law("logistic", num_features, scale, layout_seed, targets)


def diabetes(
    *, num_test: int | None = None, test_fraction: float = 0.2, standardize: bool = True
) -> RealData:
    """442 patients, 10 measurements, a year's progression of diabetes (Efron et al., 2004).

    Standardized, target included, by default.
    """
    return _bundled("diabetes", num_test, test_fraction, standardize, of_classes=False)


def breast_cancer(
    *, num_test: int | None = None, test_fraction: float = 0.2, standardize: bool = True
) -> RealData:
    """569 tumours, 30 measurements of cell nuclei, benign (1) or malignant (0) (Street, 1993)."""
    return _bundled("breast_cancer", num_test, test_fraction, standardize, of_classes=True)


def _law(name, num_features, scale, layout_seed, targets) -> RealData:
    if num_features < 1:
        raise UserError(f"data.num_features is {num_features}, expected at least 1")
    if not 0 <= scale < np.inf:
        raise UserError(f"data.scale is {scale}, expected a number of at least 0")
    layout = np.random.RandomState(layout_seed)  # NumPy keeps this stream frozen
    weights = scale * layout.standard_normal(num_features)

    def draw(key, settings, num):
        key_inputs, key_targets = split(key)
        inputs = normals(key_inputs, (num, num_features))
        mean = (inputs * jnp.asarray(weights, inputs.dtype)[None]).sum(1)
        return {"inputs": inputs, "targets": targets(key_targets, settings, mean)}

    def truth(settings):
        del settings
        dtype = jnp.result_type(float)
        return Coefficients(jnp.asarray(weights, dtype), jnp.zeros((), dtype))

    shape = {"inputs": (num_features,), "targets": ()}
    definition = {"coefficients": weights.tolist()}
    return law(name, draw, shape=shape, truth=truth, definition=definition)


def _bundled(name, num_test, test_fraction, standardize, *, of_classes) -> RealData:
    found = bundled(name, **({} if of_classes else {"scaled": False}))
    inputs, targets = np.float64(found.data), np.float64(found.target)
    kept, held = parted(name, len(inputs), num_test, test_fraction)
    table, test = ({"inputs": inputs[at], "targets": targets[at]} for at in (kept, held))
    sha256 = hash_rows(*table.values(), *test.values())
    if standardize:
        for key in ("inputs",) if of_classes else ("inputs", "targets"):
            table[key], test[key] = standardized(table[key], test[key])
    return RealData(
        draw=subset,
        truth=None,
        table=table,
        test=test,
        name=name,
        origin=f"sklearn.datasets.load_{name}",
        sha256=sha256,
        shape={"inputs": inputs.shape[1:], "targets": ()},
    )

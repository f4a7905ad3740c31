"""Initial parameters of networks: as in PyTorch, which the published ones use, and as in Flax.

PyTorch draws both kernels and biases uniformly from within 1 / sqrt(fan_in); for a transposed
convolution, the fan-in is that of the convolution it transposes. Flax draws kernels from a
truncated normal law of variance 1 / fan_in. Modules are initialised with the scale of each
parameter, and all are drawn in one call: one call per parameter would take seconds to compile.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax

TRUNCATED_STD = 0.87962566103423978  # of a standard normal law cut at two standard deviations


class Initial(NamedTuple):
    """Scales as functions of a layer's fan-in, and the law of a number of scale 1."""

    kernel: Callable[[int], float]
    bias: Callable[[int], float]
    draw: Callable[[jax.Array, tuple[int, ...]], jax.Array]


INITIALIZERS = {
    "torch": Initial(
        lambda fan_in: 1 / math.sqrt(fan_in),
        lambda fan_in: 1 / math.sqrt(fan_in),
        lambda key, shape: jax.random.uniform(key, shape, minval=-1.0, maxval=1.0),
    ),
    "lecun": Initial(
        lambda fan_in: 1 / math.sqrt(fan_in) / TRUNCATED_STD,
        lambda fan_in: 0.0,
        lambda key, shape: jax.random.truncated_normal(key, -2.0, 2.0, shape),
    ),
}


def drawn(key: jax.Array, initializer: str, module: nn.Module, *inputs: jax.Array) -> Any:
    """Parameters, in the run's float type, of a module whose initialisers give scales."""
    scales = module.init(jax.random.key(0), *inputs)["params"]  # the key is not used
    leaves, structure = jax.tree.flatten(scales)
    numbers = INITIALIZERS[initializer].draw(key, (sum(leaf.size for leaf in leaves),))
    params, start = [], 0
    for scale in leaves:
        part = numbers[start : start + scale.size].reshape(scale.shape)
        params.append(part * scale.astype(part.dtype))
        start += scale.size
    return jax.tree.unflatten(structure, params)


def kernel_scale(initializer: str, fan_in: int) -> Callable:
    """A Flax initialiser that gives the scale of a kernel."""
    return nn.initializers.constant(INITIALIZERS[initializer].kernel(fan_in))


def bias_scale(initializer: str, fan_in: int) -> Callable:
    """The same for a bias."""
    return nn.initializers.constant(INITIALIZERS[initializer].bias(fan_in))


def dense(features: int, fan_in: int, initializer: str, name: str) -> nn.Dense:
    """A dense layer of `fan_in` inputs, initialised by `initializer`."""
    return nn.Dense(
        features,
        kernel_init=kernel_scale(initializer, fan_in),
        bias_init=bias_scale(initializer, fan_in),
        name=name,
    )

"""How networks begin: PyTorch's way, which the published ones have, and Flax's own.

PyTorch draws kernels and biases alike uniformly from within 1 / sqrt(fan_in); of a transposed
convolution it takes the fan-in of the convolution that it is the transpose of.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax


class Initial(NamedTuple):
    """Flax initialisers by the fan-in of a layer."""

    kernel: Callable[[int], Callable]
    bias: Callable[[int], Callable]


def _uniform(fan_in: int) -> Callable:
    bound = 1 / math.sqrt(fan_in)

    def init(key, shape, dtype=None):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


INITIALIZERS = {
    "torch": Initial(_uniform, _uniform),
    "lecun": Initial(
        lambda fan_in: nn.initializers.lecun_normal(), lambda fan_in: nn.initializers.zeros
    ),
}


def dense(features: int, fan_in: int, initializer: str, name: str) -> nn.Dense:
    """A dense layer of `fan_in` inputs that begins as asked."""
    initial = INITIALIZERS[initializer]
    return nn.Dense(
        features, kernel_init=initial.kernel(fan_in), bias_init=initial.bias(fan_in), name=name
    )

"""Both implementations of strided convolutions against Flax's layers, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ouroboros_jax.models.strided import IMPLEMENTATIONS, POINTS, choose, toom_cook

pytestmark = pytest.mark.usefixtures("quick_compilation")
STACKS = {  # image, channels of the layers
    "the paper's": ((3, 28, 28, 1), (16, 32)),
    "three layers": ((2, 24, 40, 3), (4, 8, 6)),
    "one layer": ((2, 12, 8, 1), (5,)),
    "odd outputs": ((2, 14, 6, 2), (5,)),
}


def layers_of(rng, channels, features, by):
    """Kernels and biases of PyTorch's initial size; fan-in by inputs or by outputs."""
    layers = []
    for out in features:
        bound = (16 * (channels if by == "in" else out)) ** -0.5
        shapes = (4, 4, channels, out), (out,)
        layers.append(tuple(jnp.float32(rng.uniform(-bound, bound, s)) for s in shapes))
        channels = out
    return layers


def flax_down(x, layers):
    for kernel, bias in layers:
        layer = nn.Conv(bias.size, (4, 4), strides=2, padding=1)
        x = nn.relu(layer.apply({"params": {"kernel": kernel, "bias": bias}}, x))
    return x


def flax_up(x, layers):
    for i, (kernel, bias) in enumerate(layers):
        x = nn.relu(x) if i else x
        layer = nn.ConvTranspose(bias.size, (4, 4), strides=(2, 2))
        x = layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)
    return x


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("direction", ["down", "up"])
def test_the_same_as_flax(name, stack, direction):
    rng = np.random.default_rng(0)
    shape, features = STACKS[stack]
    layers = layers_of(rng, shape[-1], features, "in")
    x = jnp.float32(rng.standard_normal(shape))
    expected_of = flax_down
    if direction == "up":
        x = jnp.float32(rng.standard_normal(flax_down(x, layers).shape))
        layers = layers_of(rng, features[-1], (*features[-2::-1], shape[-1]), "out")
        expected_of = flax_up

    def both(x, layers, cotangent):
        function = getattr(IMPLEMENTATIONS[name], direction)
        expected, pull = jax.vjp(expected_of, x, layers)
        found, pull_found = jax.vjp(function, x, layers)
        return (expected, pull(cotangent)), (found, pull_found(cotangent))

    cotangent = jnp.float32(rng.standard_normal(expected_of(x, layers).shape))
    expected, found = jax.jit(both)(x, layers, cotangent)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * max(1, float(jnp.abs(a).max())))


def test_many_parameters_at_once():
    """Under `vmap` over images and parameters, each gets what it gets alone."""
    rng = np.random.default_rng(1)
    stacks = [layers_of(rng, 1, (4, 6), "in") for _ in range(3)]
    x = jnp.float32(rng.standard_normal((3, 2, 12, 12, 1)))
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *stacks)
    down = IMPLEMENTATIONS["matmul"].down
    found = jax.jit(jax.vmap(down))(x, together)
    for i, layers in enumerate(stacks):
        np.testing.assert_allclose(found[i], flax_down(x[i], layers), atol=1e-5)


@pytest.mark.parametrize("rows", POINTS)
def test_products_of_two_taps(rows):
    collect, of_kernel, spread = toom_cook(rows)
    rng = np.random.default_rng(2)
    taps, inputs = rng.standard_normal(2), rng.standard_normal(rows + 1)
    found = collect @ ((of_kernel @ taps) * (spread @ inputs))
    np.testing.assert_allclose(found, taps[0] * inputs[:-1] + taps[1] * inputs[1:], atol=1e-12)


def test_a_cpu_takes_matrix_products():
    assert choose("auto") is IMPLEMENTATIONS["matmul"] and choose("lax") is IMPLEMENTATIONS["lax"]

"""The published networks' sizes, their beginnings, and what does not fit."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.errors import UserError
from ouroboros_jax.models.classifier import mlp_classifier
from ouroboros_jax.models.vae import conv_vae, mlp_vae

pytestmark = pytest.mark.usefixtures("quick_compilation")
SHAPE = (28, 28, 1)


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def conv(layer_sizes=(64, 128), latent_dim=20, initializer="torch", conv_impl="auto"):
    return conv_vae(
        layer_sizes=layer_sizes,
        latent_dim=latent_dim,
        initializer=initializer,
        conv_impl=conv_impl,
    )


def mlp(initializer="torch"):
    return mlp_vae(layer_sizes=(512, 256, 128, 64), latent_dim=50, initializer=initializer)


def test_published_sizes():
    """Shumailov et al.'s 647,081 parameters; Model Ouroboros by its widths."""
    shapes = jax.eval_shape(lambda key: conv().init(key, SHAPE), jax.random.key(0))
    assert count(shapes) == 647_081
    shapes = jax.eval_shape(lambda key: mlp().init(key, SHAPE), jax.random.key(0))
    widths = (784, 512, 256, 128, 64)
    encoder = sum(a * b + b for a, b in itertools.pairwise(widths)) + 2 * (64 * 50 + 50)
    back = (50, *widths[::-1])
    assert count(shapes) == encoder + sum(a * b + b for a, b in itertools.pairwise(back))
    classifier = mlp_classifier(layer_sizes=(512, 256, 128), initializer="torch")
    assert count(jax.eval_shape(lambda key: classifier.init(key, SHAPE), jax.random.key(0))) == (
        784 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    )


def test_pytorch_initialisation_is_uniform_to_the_fan_in():
    """Biases too; of a transposed convolution the fan-in is 16 times its outputs."""
    params = jax.jit(conv().init, static_argnums=1)(jax.random.key(0), SHAPE)
    fans = {
        ("encoder", "conv0"): 16, ("encoder", "conv1"): 16 * 64, ("encoder", "mean"): 6272,
        ("encoder", "log_var"): 6272, ("decoder", "dense"): 20, ("decoder", "conv0"): 16 * 64,
        ("decoder", "conv1"): 16,
    }  # fmt: skip
    for (half, layer), fan_in in fans.items():
        for leaf in params[half][layer].values():
            bound, size = fan_in**-0.5, leaf.size
            assert jnp.abs(leaf).max() <= bound
            if size > 60:  # the variance of a uniform law, within 4.5 standard errors
                error = bound**2 * np.sqrt(4 / 45 / size)
                assert abs(float(jnp.square(leaf).mean()) - bound**2 / 3) < 4.5 * error
    flax = conv(initializer="lecun").init
    flax = jax.jit(flax, static_argnums=1)(jax.random.key(0), SHAPE)
    assert not any(jnp.any(layer["bias"]) for half in flax.values() for layer in half.values())
    kernel = flax["encoder"]["conv1"]["kernel"]
    np.testing.assert_allclose(kernel.std(), 1 / 32, rtol=0.02)


@pytest.mark.parametrize("network", [conv(), mlp()], ids=["conv", "mlp"])
def test_shapes(network):
    params = jax.eval_shape(lambda key: network.init(key, SHAPE), jax.random.key(0))
    codes = jax.eval_shape(network.encode, params, jnp.zeros((3, *SHAPE)))
    num = codes[0].shape[1]
    assert [code.shape for code in codes] == [(3, num), (3, num)]
    logits = jax.eval_shape(lambda p: network.decode(p, jnp.zeros((3, num)), SHAPE), params)
    assert logits.shape == (3, *SHAPE)


def test_images_that_cannot_be_halved_are_refused():
    message = r"layer_sizes=\(4, 8, 16\) halves an image 3 times, and 28 x 28 pixels cannot be"
    with pytest.raises(UserError, match=message):
        conv((4, 8, 16)).init(jax.random.key(0), SHAPE)
    init = conv((4, 8, 16), conv_impl="lax").init
    jax.eval_shape(lambda key: init(key, (32, 24, 3)), jax.random.key(0))

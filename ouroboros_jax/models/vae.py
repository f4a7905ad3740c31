"""Variational autoencoders of images, convolutional or dense, decoders mirroring encoders.

`conv` with layers (64, 128) and 20 latents is the network of Shumailov et al. (arXiv 2305.17493,
Nature 2024), 647,081 parameters on 28 x 28 pixels; `mlp` with (512, 256, 128, 64) and 50 latents is
that of Model Ouroboros. ReLU between layers; a decoder ends in the logits of pixels.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ouroboros_jax.draws.threefry import split
from ouroboros_jax.errors import UserError
from ouroboros_jax.models import strided
from ouroboros_jax.models.initial import bias_scale, dense, drawn, kernel_scale

Params = dict[str, Any]


class Network(NamedTuple):
    """A variational autoencoder as functions of its parameters.

    `init(key, shape) -> params` for images of `shape` [H, W, C]; `encode(params, images)` from
    [N, H, W, C] to the means and log variances of the codes, [N, L] each; `decode(params, codes,
    shape)` from [N, L] to logits [N, H, W, C].
    """

    init: Callable[[jax.Array, tuple[int, ...]], Params]
    encode: Callable[[Params, jax.Array], tuple[jax.Array, jax.Array]]
    decode: Callable[[Params, jax.Array, tuple[int, ...]], jax.Array]


class Strided(nn.Module):
    """Kernel and bias of a 4 x 4 convolution of stride 2, or of a transposed one."""

    features: int
    fan_in: int
    initializer: str

    @nn.compact
    def __call__(self, channels: int) -> strided.Layer:
        begin = self.initializer, self.fan_in
        kernel = self.param("kernel", kernel_scale(*begin), (4, 4, channels, self.features))
        return kernel, self.param("bias", bias_scale(*begin), (self.features,))


class ConvEncoder(nn.Module):
    """Images to codes by convolutions of stride 2."""

    layer_sizes: Sequence[int]
    latent_dim: int
    initializer: str
    conv_impl: str

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        layers, channels = [], images.shape[-1]
        for i, features in enumerate(self.layer_sizes):
            layer = Strided(features, 16 * channels, self.initializer, name=f"conv{i}")
            layers.append(layer(channels))
            channels = features
        x = strided.choose(self.conv_impl).down(images, layers).reshape(images.shape[0], -1)
        return _codes(x, self.latent_dim, self.initializer)


class ConvDecoder(nn.Module):
    """Codes to logits by transposed convolutions of stride 2."""

    layer_sizes: Sequence[int]
    shape: tuple[int, ...]
    initializer: str
    conv_impl: str

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        height, width, last = self.shape
        scale = 2 ** len(self.layer_sizes)
        channels = self.layer_sizes[-1]
        small = height // scale, width // scale, channels
        x = dense(math.prod(small), codes.shape[-1], self.initializer, "dense")(codes)
        layers = []
        for i, features in enumerate((*self.layer_sizes[-2::-1], last)):
            layer = Strided(features, 16 * features, self.initializer, name=f"conv{i}")
            layers.append(layer(channels))
            channels = features
        return strided.choose(self.conv_impl).up(x.reshape(-1, *small), layers)


class MlpEncoder(nn.Module):
    """Images to codes by dense layers."""

    layer_sizes: Sequence[int]
    latent_dim: int
    initializer: str

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(images.shape[0], -1)
        for i, features in enumerate(self.layer_sizes):
            x = nn.relu(dense(features, x.shape[-1], self.initializer, f"dense{i}")(x))
        return _codes(x, self.latent_dim, self.initializer)


class MlpDecoder(nn.Module):
    """Codes to logits by dense layers."""

    layer_sizes: Sequence[int]
    shape: tuple[int, ...]
    initializer: str

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        x = codes
        for i, features in enumerate(reversed(self.layer_sizes)):
            x = nn.relu(dense(features, x.shape[-1], self.initializer, f"dense{i}")(x))
        x = dense(math.prod(self.shape), x.shape[-1], self.initializer, "pixels")(x)
        return x.reshape(-1, *self.shape)


def _codes(x: jax.Array, latent_dim: int, initializer: str) -> tuple[jax.Array, jax.Array]:
    """Means and log variances; called inside a module, whose layers these become."""
    mean = dense(latent_dim, x.shape[-1], initializer, "mean")(x)
    return mean, dense(latent_dim, x.shape[-1], initializer, "log_var")(x)


def conv_vae(
    *, layer_sizes: Sequence[int], latent_dim: int, initializer: str, conv_impl: str
) -> Network:
    """The convolutional autoencoder, with `layer_sizes` channels."""
    encoder = ConvEncoder(layer_sizes, latent_dim, initializer, conv_impl)

    def decoder(shape):
        return ConvDecoder(layer_sizes, shape, initializer, conv_impl)

    def check(shape):
        scale = 2 ** len(layer_sizes)
        if shape[0] % scale or shape[1] % scale:
            raise UserError(
                f"learner.layer_sizes={tuple(layer_sizes)} halves an image {len(layer_sizes)} "
                f"times, and {shape[0]} x {shape[1]} pixels cannot be: expected fewer layers, or "
                f"sides that {scale} divides"
            )

    return _network(encoder, decoder, latent_dim, initializer, check)


def mlp_vae(*, layer_sizes: Sequence[int], latent_dim: int, initializer: str) -> Network:
    """The autoencoder of dense layers, with `layer_sizes` units."""
    encoder = MlpEncoder(layer_sizes, latent_dim, initializer)

    def decoder(shape):
        return MlpDecoder(layer_sizes, shape, initializer)

    return _network(encoder, decoder, latent_dim, initializer)


def _network(
    encoder, decoder, latent_dim: int, initializer: str, check=lambda shape: None
) -> Network:
    def init(key, shape):
        check(shape)
        key_encoder, key_decoder = split(key)
        images, codes = jnp.zeros((1, *shape)), jnp.zeros((1, latent_dim))
        return {
            "encoder": drawn(key_encoder, initializer, encoder, images),
            "decoder": drawn(key_decoder, initializer, decoder(shape), codes),
        }

    def encode(params, images):
        return encoder.apply({"params": params["encoder"]}, images)

    def decode(params, codes, shape):
        return decoder(shape).apply({"params": params["decoder"]}, codes)

    return Network(init, encode, decode)

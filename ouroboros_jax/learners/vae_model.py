"""The networks of an autoencoder's chain, their losses, and how they draw."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Params, Settings
from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.draws.numbers import normals, unit_uniforms
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.learners.image_losses import RECONSTRUCTIONS, cross_entropy, kl_to_normal
from ouroboros_jax.learners.pixels import as_float, as_kept
from ouroboros_jax.models.classifier import Classifier
from ouroboros_jax.models.vae import Network, conv_vae, mlp_vae

CHUNK = 500  # images decoded at a time
# The settings of `vae` that `network_of` takes:
NETWORK = ("network", "layer_sizes", "latent_dim", "initializer", "conv_impl")
NO_LABEL = -1


class Model(NamedTuple):
    """The static half of the learner: networks, loss, how images are drawn."""

    network: Network
    latent_dim: int
    classifier: Classifier | None
    loss: str
    pixels: str


def network_of(
    *,
    network: str,
    layer_sizes: Sequence[int],
    latent_dim: int,
    initializer: str,
    conv_impl: str,
) -> Network:
    """The autoencoder of a learner's settings."""
    sizes = {"layer_sizes": layer_sizes, "latent_dim": latent_dim, "initializer": initializer}
    if network == "mlp":
        return mlp_vae(**sizes)
    return conv_vae(**sizes, conv_impl=conv_impl)


def vae_loss(model: Model, beta: jax.Array):
    """The loss of a batch, a sum over its images as published: reconstruction + beta KL."""
    reconstruct = RECONSTRUCTIONS[model.loss]

    def loss(key, params, data, weights):
        images = as_float(data["image"])
        mean, log_var = model.network.encode(params, images)
        codes = mean + jnp.exp(log_var / 2) * normals(key, mean.shape, mean.dtype)
        logits = model.network.decode(params, codes, images.shape[1:])
        reconstruction = (weights * reconstruct(logits, images)).sum()
        kl = (weights * kl_to_normal(mean, log_var)).sum()
        return reconstruction + beta * kl, {"reconstruction": reconstruction, "kl": kl}

    return loss


def classifier_loss(classifier: Classifier):
    """The mean cross-entropy of a batch."""

    def loss(key, params, data, weights):
        del key
        logits = classifier.logits(params, as_float(data["image"]))
        total = (weights * cross_entropy(logits, data["label"])).sum()
        right = (weights * (logits.argmax(1) == data["label"])).sum()
        sums = {"classifier_loss": total, "classifier_accuracy": right}
        return total / weights.sum(), sums

    return loss


def draw(
    key: jax.Array,
    settings: Settings,
    params: Params,
    shape: tuple[int, ...],
    num: int,
    *,
    model: Model,
    dtype: Any = None,
) -> dict[str, jax.Array]:
    """`num` images of `shape`, kept as `dtype` (None: floats), with their labels.

    Codes are normal with variance `sampler.temperature`, truncated at `sampler.truncation` of their
    standard deviations.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    key_codes, key_pixels = split(key)
    bound = settings.sampler["truncation"].astype(jnp.result_type(float))
    codes = jax.random.truncated_normal(
        key_codes, -bound, bound, (num, model.latent_dim), bound.dtype
    )
    codes = codes * jnp.sqrt(settings.sampler["temperature"]).astype(codes.dtype)

    def decode(i, codes):
        images = jax.nn.sigmoid(model.network.decode(params["vae"], codes, shape))
        if model.pixels == "bernoulli":
            uniform = unit_uniforms(fold_in(key_pixels, i), images.shape)
            images = (uniform < images).astype(images.dtype)
        image = as_kept(images, dtype)
        label = jnp.full(images.shape[0], NO_LABEL, jnp.int32)
        if model.classifier is not None:
            logits = model.classifier.logits(params["classifier"], as_float(image))
            label = logits.argmax(1).astype(jnp.int32)
        return {"image": image, "label": label}

    return in_chunks(decode, codes, CHUNK)

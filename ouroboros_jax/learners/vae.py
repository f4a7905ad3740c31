"""The variational autoencoder's chain, with a lineage of classifiers beside it if asked.

Serves Shumailov et al. (arXiv 2305.17493, Nature 2024), whose convolutional networks start afresh
at every generation and stream images from their predecessor's decoder; and Model Ouroboros, whose
one dense network trains on and on from its own 60,000 images, each labelled by the classifier that
was trained on the set before. Generated images are decoder means unless pixels are drawn.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Learner, Settings
from ouroboros_jax.draws.numbers import normals, unit_uniforms
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.learners import judge, vae_measure
from ouroboros_jax.learners.epochs import Training, begin, epoch
from ouroboros_jax.learners.image_losses import RECONSTRUCTIONS, cross_entropy, kl_to_normal
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.learners.pixels import as_float, as_kept, in_chunks
from ouroboros_jax.metrics.asked import chosen_metrics, picked
from ouroboros_jax.metrics.names.images import OF_VAE
from ouroboros_jax.models.classifier import Classifier, mlp_classifier
from ouroboros_jax.models.vae import Network, conv_vae, mlp_vae

CHUNK = 500  # images decoded at a time
NO_LABEL = -1


class FitState(NamedTuple):
    """A fit half-way."""

    vae: Training
    classifier: Training | tuple[()]
    epoch: jax.Array  # int32 [], done


class Model(NamedTuple):
    """The static half of the learner: networks, loss, how images are drawn."""

    network: Network
    latent_dim: int
    classifier: Classifier | None
    loss: str
    pixels: str


def vae(
    *,
    network: str = "conv",
    layer_sizes: Sequence[int] = (64, 128),
    latent_dim: int = 20,
    initializer: str = "torch",
    conv_impl: str = "auto",
    loss: str = "bce",
    epochs: int = 30,
    batch_size: int = 256,
    points: str = "stream",
    pixels: str = "mean",
    classifier: bool = False,
    classifier_layer_sizes: Sequence[int] = (512, 256, 128),
    classifier_epochs: int = 10,
    classifier_start: str = "fresh",
    num_scored: int = 10_000,
    metrics=None,
) -> Learner:
    """A variational autoencoder of images, fitted by Adam, epoch by epoch.

    Points are `{"image": [H, W, C], "label": int}`, the label being `NO_LABEL` where there is no
    classifier to give one.

    Args:
      network: `conv` or `mlp`.
      layer_sizes: channels or units of the encoder's layers, mirrored in the decoder.
      latent_dim: L.
      initializer: `torch` or `lecun`.
      conv_impl: `auto`, `lax` or `matmul`.
      loss: `bce` or `mse`.
      epochs: of a generation's fit.
      batch_size: of every network.
      points: `stream` or `dataset`.
      pixels: `mean` or `bernoulli`.
      classifier: whether there is a lineage of classifiers.
      classifier_layer_sizes: units of their hidden layers.
      classifier_epochs: of a generation's classifier.
      classifier_start: `fresh` or `previous`.
      num_scored: generated images that metrics are taken of.
      metrics: names of the metrics to compute; None for all.
    """
    check_choices(
        "vae",
        network=network,
        initializer=initializer,
        conv_impl=conv_impl,
        loss=loss,
        points=points,
        pixels=pixels,
        classifier_start=classifier_start,
    )
    own = network_of(
        network=network,
        layer_sizes=layer_sizes,
        latent_dim=latent_dim,
        initializer=initializer,
        conv_impl=conv_impl,
    )
    labeller = mlp_classifier(layer_sizes=classifier_layer_sizes, initializer=initializer)
    wanted = chosen_metrics(metrics, OF_VAE)
    is_judged = not set(vae_measure.JUDGED).isdisjoint(wanted)
    model = Model(own, latent_dim, labeller if classifier else None, loss, pixels)

    def init(key, settings, data):
        del settings
        shape = data["image"].shape[1:]
        key_vae, key_classifier = split(key)
        params = {"vae": model.network.init(key_vae, shape)}
        if classifier:
            params["classifier"] = labeller.init(key_classifier, shape)
        return params

    def fit_begin(key, settings, params, pool):
        labelling = ()
        if classifier:
            labelling = params["classifier"]
            if classifier_start == "fresh":
                labelling = init(key, settings, pool.data)["classifier"]
            labelling = begin(labelling)
        return FitState(begin(params["vae"]), labelling, jnp.int32(0))

    def fit_step(key, settings: Settings, fit, pool):
        key_vae, key_classifier = split(key)
        told = settings.learner
        training, info = epoch(
            key_vae,
            fit.vae,
            pool,
            vae_loss(model, told["beta"]),
            batch_size=batch_size,
            learning_rate=told["learning_rate"],
            weight_decay=told["weight_decay"],
            is_due=fit.epoch < epochs,
        )
        labelling = fit.classifier
        if classifier:
            labelling, about = epoch(
                key_classifier,
                fit.classifier,
                pool,
                classifier_loss(labeller),
                batch_size=batch_size,
                learning_rate=told["classifier_learning_rate"],
                is_due=fit.epoch < classifier_epochs,
            )
            info |= about
        return FitState(training, labelling, fit.epoch + 1), picked(info, wanted)

    def fit_end(fit):
        params = {"vae": fit.vae.params}
        if classifier:
            params["classifier"] = fit.classifier.params
        return params, {}

    def draw(key, settings, params, source, num):
        image = source["image"]
        return sample(key, settings, model, params, image.shape[1:], num, image.dtype)

    def measure(settings, params, context):
        return vae_measure.measure(
            model, draw_floats, num_scored, wanted, settings, params, context
        )

    def draw_floats(key, settings, params, shape, num):
        return sample(key, settings, model, params, shape, num, jnp.result_type(float))

    def across(key, settings, models, table, test):
        del test
        shape = table["image"].shape[1:]
        return vae_measure.matrices(model, draw_floats, wanted, key, settings, models, shape)

    return Learner(
        init,
        fit_begin,
        fit_step,
        fit_end,
        draw,
        measure,
        num_steps=max(epochs, classifier_epochs) if classifier else epochs,
        hosted=True,
        points="stream" if points == "stream" else "recipes",
        prepare=lambda key, settings, table: judge.train(key, table, is_asked=is_judged),
        across=across if classifier else None,
    )


def network_of(
    *,
    network: str,
    layer_sizes: Sequence[int],
    latent_dim: int,
    initializer: str,
    conv_impl: str,
    **others: Any,
) -> Network:
    """The autoencoder of the settings of `vae`."""
    del others
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


def sample(
    key: jax.Array,
    settings: Settings,
    model: Model,
    params: Any,
    shape: tuple[int, ...],
    num: int,
    dtype: Any,
) -> dict[str, jax.Array]:
    """`num` images of `shape`, kept as `dtype`, with their labels.

    Codes are normal, of variance `sampler.temperature`, and none is further than
    `sampler.truncation` of their standard deviations from 0.
    """
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

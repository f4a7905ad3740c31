"""The variational autoencoder's chain, optionally with a lineage of classifiers.

Serves Shumailov et al. (arXiv 2305.17493, Nature 2024), whose convolutional networks start afresh
at every generation and stream images from their predecessor's decoder; and Model Ouroboros, whose
single dense network goes on training on its own 60,000 images, labelled by the classifier that was
trained on the set before. Generated images are decoder means unless pixels are drawn.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Key, Learner, Metrics, Params, Pool, Settings
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.learners import judge, vae_measure
from ouroboros_jax.learners.epochs import Training, begin, epoch
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.learners.vae_model import Model, classifier_loss, draw, network_of, vae_loss
from ouroboros_jax.metrics.asked import chosen_metrics, picked
from ouroboros_jax.metrics.names.images import OF_VAE
from ouroboros_jax.models.classifier import mlp_classifier


class FitState(NamedTuple):
    """A fit half-way."""

    vae: Training
    classifier: Training | tuple[()]
    epoch: jax.Array  # int32 [], epochs done


class FitOptions(NamedTuple):
    """The static settings of a fit."""

    epochs: int
    batch_size: int
    classifier_epochs: int
    classifier_start: str


def init(key: Key, settings: Settings, data: Data, *, model: Model) -> Params:
    """New parameters of the networks."""
    del settings
    shape = data["image"].shape[1:]
    key_vae, key_classifier = split(key)
    params = {"vae": model.network.init(key_vae, shape)}
    if model.classifier is not None:
        params["classifier"] = model.classifier.init(key_classifier, shape)
    return params


def fit_begin(
    key: Key, settings: Settings, params: Params, pool: Pool, *, model: Model, options: FitOptions
) -> FitState:
    """A fit that begins from `params` with new optimisers; the classifier may begin from new
    parameters instead."""
    labelling = ()
    if model.classifier is not None:
        labelling = params["classifier"]
        if options.classifier_start == "fresh":
            labelling = init(key, settings, pool.data, model=model)["classifier"]
        labelling = begin(labelling)
    return FitState(begin(params["vae"]), labelling, jnp.int32(0))


def fit_step(
    key: Key,
    settings: Settings,
    fit_state: FitState,
    pool: Pool,
    *,
    model: Model,
    options: FitOptions,
    wanted: Sequence[str],
) -> tuple[FitState, Metrics]:
    """One epoch of each network that has epochs left."""
    key_vae, key_classifier = split(key)
    told = settings.learner
    training, info = epoch(
        key_vae,
        fit_state.vae,
        pool,
        vae_loss(model, told["beta"]),
        batch_size=options.batch_size,
        learning_rate=told["learning_rate"],
        weight_decay=told["weight_decay"],
        is_due=fit_state.epoch < options.epochs,
    )
    labelling = fit_state.classifier
    if model.classifier is not None:
        labelling, about = epoch(
            key_classifier,
            fit_state.classifier,
            pool,
            classifier_loss(model.classifier),
            batch_size=options.batch_size,
            learning_rate=told["classifier_learning_rate"],
            is_due=fit_state.epoch < options.classifier_epochs,
        )
        info |= about
    return FitState(training, labelling, fit_state.epoch + 1), picked(info, wanted)


def fit_end(fit_state: FitState) -> tuple[Params, Metrics]:
    """The parameters of the networks."""
    params = {"vae": fit_state.vae.params}
    if fit_state.classifier:
        params["classifier"] = fit_state.classifier.params
    return params, {}


def sample(
    key: Key, settings: Settings, params: Params, source: Data, num: int, *, model: Model
) -> Data:
    """`num` images of the shape and dtype of those of `source`."""
    image = source["image"]
    return draw(key, settings, params, image.shape[1:], num, model=model, dtype=image.dtype)


def across(
    key: Key,
    settings: Settings,
    models: Params,
    table: Data,
    test: Data,
    *,
    model: Model,
    wanted: Sequence[str],
) -> Metrics:
    """Metrics of all generations together."""
    del test
    shape = table["image"].shape[1:]
    return vae_measure.matrices(key, settings, models, shape, model=model, wanted=wanted)


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

    Points are `{"image": [H, W, C], "label": int}`, the label being `NO_LABEL` without a
    classifier.

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
      num_scored: generated images on which metrics are computed.
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
    wanted = chosen_metrics(metrics, OF_VAE)
    is_judged = not set(vae_measure.JUDGED).isdisjoint(wanted)
    model = Model(
        network_of(
            network=network,
            layer_sizes=layer_sizes,
            latent_dim=latent_dim,
            initializer=initializer,
            conv_impl=conv_impl,
        ),
        latent_dim,
        mlp_classifier(layer_sizes=classifier_layer_sizes, initializer=initializer)
        if classifier
        else None,
        loss,
        pixels,
    )
    options = FitOptions(epochs, batch_size, classifier_epochs, classifier_start)
    return Learner(
        partial(init, model=model),
        partial(fit_begin, model=model, options=options),
        partial(fit_step, model=model, options=options, wanted=wanted),
        fit_end,
        partial(sample, model=model),
        partial(vae_measure.measure, model=model, num=num_scored, wanted=wanted),
        num_steps=max(epochs, classifier_epochs) if classifier else epochs,
        hosted=True,
        points="stream" if points == "stream" else "recipes",
        prepare=lambda key, settings, table: judge.train(key, table, is_asked=is_judged),
        across=partial(across, model=model, wanted=wanted) if classifier else None,
    )

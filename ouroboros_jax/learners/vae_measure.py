"""Metrics of an autoencoder's generation, and of all generations' classifiers together.

All generations of a chain are measured with the same codes and noise: only the model changes.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Metrics, Params, Settings
from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.data.idx import NUM_CLASSES
from ouroboros_jax.draws.numbers import normals
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.learners import judge
from ouroboros_jax.learners.image_losses import RECONSTRUCTIONS, cross_entropy, kl_to_normal
from ouroboros_jax.learners.vae_model import Model, draw
from ouroboros_jax.metrics import images as of_images
from ouroboros_jax.metrics.asked import picked
from ouroboros_jax.metrics.names.images import CODE_EDGES, MATRICES

CHUNK = 500
NUM_CLASSIFIED = 1000  # images per generation on which every classifier is tried
JUDGED = (  # metrics that need a judge
    *("label_counts_judge", "label_entropy_judge", "label_share_judge"),
    *("frechet_distance", "precision", "recall"),
)


def measure(
    settings: Settings,
    params: Params,
    context: Context,
    *,
    model: Model,
    num: int,
    wanted: Sequence[str],
) -> Metrics:
    """Metrics of one generation.

    Args:
      settings, params, context: as of `Learner.measure`; `context.prepared` is a `judge.Judge`.
      model: the learner's networks.
      num: generated images to measure.
      wanted: the metrics asked for.
    """
    prepared: judge.Judge = context.prepared
    key_draw, key_noise = split(prepared.key)
    shape = context.test["image"].shape[1:]
    generated = draw(key_draw, settings, params, shape, num, model=model)
    found = _of_codes(model, context.reference["vae"], generated["image"])
    found |= _of_labels(model, params, context, generated)
    found |= _of_spread(prepared, generated["image"])
    found |= _of_test(model, key_noise, params, context.test)
    return picked(found, wanted)


def _of_codes(model: Model, reference: Params, images: jax.Array) -> Metrics:
    """Metrics of generation 0's codes (means) for generated images."""
    codes = in_chunks(lambda i, x: model.network.encode(reference, x)[0], images, CHUNK)
    low, high, bins = CODE_EDGES
    edges = jnp.linspace(low, high, bins + 1)
    place = jnp.clip(jnp.searchsorted(edges, codes.reshape(-1)) - 1, 0, bins - 1)
    counts = jnp.zeros(bins, codes.dtype).at[place].add(1)
    density = counts * (bins / (high - low) / codes.size)
    return {
        "latent_mean": codes.mean(),
        "latent_std": codes.std(),
        "latent_histogram": density,
    }


def _of_labels(model: Model, params: Params, context: Context, generated) -> Metrics:
    """Metrics of generated images' classes, by the judge and by the first and this generation's
    classifier."""
    images = generated["image"]
    labels = {}
    if context.prepared.params:
        labels["_judge"] = _classified(judge.network(), context.prepared.params, images)
    if model.classifier is not None:
        labels[""] = generated["label"]
        first = context.reference["classifier"]
        labels["_first"] = _classified(model.classifier, first, images)
    found = {}
    for suffix, given in labels.items():
        counts = of_images.label_counts(given, NUM_CLASSES)
        found[f"label_counts{suffix}"] = counts
        found[f"label_entropy{suffix}"] = of_images.label_entropy(counts)
        found[f"label_share{suffix}"] = counts.max() / counts.sum()
    return found


def _classified(classifier, params: Params, images: jax.Array) -> jax.Array:
    return in_chunks(lambda i, x: classifier.logits(params, x).argmax(1), images, judge.CHUNK)


def _of_spread(prepared: judge.Judge, images: jax.Array) -> Metrics:
    """How generated images differ from each other, and from real ones in the judge's features."""
    few = images[: judge.NUM_FEATURES]
    found = {
        "variance": of_images.pixel_variance(images),
        "pairwise_distance": of_images.mean_distance(few),
    }
    if not prepared.params:
        return found
    features, real = judge.seen(prepared.params, few), prepared.features
    return found | {
        "frechet_distance": of_images.frechet_distance(
            mean=real.mean(0),
            covariance=jnp.cov(real.T),
            other_mean=features.mean(0),
            other_covariance=jnp.cov(features.T),
        ),
        "precision": of_images.covered(features, real, prepared.radii),
        "recall": of_images.covered(real, features, of_images.radii(features)),
    }


def _of_test(model: Model, key: jax.Array, params: Params, test) -> Metrics:
    """The bound on held-out images, and the scores of this generation's classifier on them."""
    reconstruct = RECONSTRUCTIONS[model.loss]

    def score(i, x):
        mean, log_var = model.network.encode(params["vae"], x)
        noise = normals(fold_in(key, i), mean.shape, mean.dtype)
        codes = mean + jnp.exp(log_var / 2) * noise
        logits = model.network.decode(params["vae"], codes, x.shape[1:])
        return -reconstruct(logits, x) - kl_to_normal(mean, log_var)

    found = {"test_elbo": in_chunks(score, test["image"], CHUNK).mean()}
    if model.classifier is not None:
        loss, right = _tried(
            model.classifier, params["classifier"], test["image"], test["label"].astype(jnp.int32)
        )
        found |= {"test_accuracy": right, "test_classifier_loss": loss}
    return found


def _tried(classifier, params: Params, images, labels) -> tuple[jax.Array, jax.Array]:
    """Mean cross-entropy and share of right answers on labelled images."""
    logits = in_chunks(lambda i, x: classifier.logits(params, x), images, judge.CHUNK)
    return cross_entropy(logits, labels).mean(), (logits.argmax(1) == labels).mean(
        dtype=logits.dtype
    )


def matrices(
    key: jax.Array,
    settings: Settings,
    models: Params,
    shape: tuple[int, ...],
    *,
    model: Model,
    wanted: Sequence[str],
) -> Metrics:
    """Every generation's classifier on every generation's images as that generation labels them.

    Args:
      key: for the images.
      settings: of generation 0.
      models: of all generations, leaves [G, ...].
      shape: of an image.
      model, wanted: as of `measure`.

    Returns:
      `MATRICES`, [G, G]: the classifier's generation by the data's. On the diagonal the classifier
      gave the labels itself.
    """
    if set(MATRICES).isdisjoint(wanted):
        return {}
    num = jax.tree.leaves(models)[0].shape[0]

    def of_data(item):
        generation, params = item
        key_data = fold_in(key, generation)
        data = draw(key_data, settings, params, shape, NUM_CLASSIFIED, model=model)

        def of_classifier(classifier):
            return _tried(model.classifier, classifier, data["image"], data["label"])

        return jax.lax.map(of_classifier, models["classifier"])

    losses, accuracies = jax.lax.map(of_data, (jnp.arange(num), models))
    found = dict(zip(MATRICES, (accuracies.T, losses.T), strict=True))
    return picked(found, wanted)

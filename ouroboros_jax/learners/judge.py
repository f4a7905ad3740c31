"""A fixed judge: a classifier of real images, trained once a run, and its features of images."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Key
from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.learners.epochs import begin, step
from ouroboros_jax.learners.image_losses import cross_entropy
from ouroboros_jax.learners.pixels import as_float
from ouroboros_jax.metrics.images import radii
from ouroboros_jax.models.classifier import Classifier, Params, mlp_classifier

LAYER_SIZES = (256, 128)  # the last layer gives the features
NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 1000, 256, 1e-3
NUM_FEATURES = 2000  # images between which distances in feature space are taken
CHUNK = 1000


class Judge(NamedTuple):
    """What images are judged by; everything but the key is () if no metric needs a judge."""

    key: Key  # for the codes and noise of metrics
    params: Params = ()
    features: jax.Array | tuple[()] = ()  # [M, D], of real images
    radii: jax.Array | tuple[()] = ()  # [M], see `metrics.images.radii`


def network() -> Classifier:
    """The judge's classifier."""
    return mlp_classifier(layer_sizes=LAYER_SIZES, initializer="torch")


def train(key: Key, table: Data, *, is_asked: bool = True) -> Judge:
    """A judge of one chain, trained on `NUM_STEPS` batches of the real data `table`.

    Args:
      key: for everything random in it.
      table: images [N, H, W, C] and labels [N].
      is_asked: whether any metric needs the classifier; if not, only the key is made.
    """
    key_metrics, key_init, key_batches, key_real = split(key, 4)
    if not is_asked:
        return Judge(key_metrics)
    classifier = network()
    num = table["label"].shape[0]

    def loss(params, rows):
        logits = classifier.logits(params, as_float(table["image"][rows]))
        return cross_entropy(logits, table["label"][rows]).mean()

    def learn(i, training):
        rows = jax.random.randint(fold_in(key_batches, i), (BATCH_SIZE,), 0, num)
        gradient = jax.grad(loss)(training.params, rows)
        return step(training, gradient, jnp.float32(LEARNING_RATE), jnp.float32(0))

    params = classifier.init(key_init, table["image"].shape[1:])
    params = jax.lax.fori_loop(0, NUM_STEPS, learn, begin(params)).params
    rows = jax.random.permutation(key_real, num)[:NUM_FEATURES]
    features = seen(params, as_float(table["image"][rows]))
    return Judge(key_metrics, params, features, radii(features))


def seen(params: Params, images: jax.Array) -> jax.Array:
    """Features [N, D] of images, by the judge with `params`."""
    return in_chunks(lambda i, chunk: network().features(params, chunk), images, CHUNK)

"""A classifier of images: dense layers with ReLU between them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ouroboros_jax.models.initial import dense, drawn

Params = dict[str, Any]


class Classifier(NamedTuple):
    """A classifier as functions of its parameters.

    `init(key, shape) -> params` for images of `shape`; `logits(params, images)` [N, K] of classes;
    `features(params, images)` the inputs of the last layer.
    """

    init: Callable[[jax.Array, tuple[int, ...]], Params]
    logits: Callable[[Params, jax.Array], jax.Array]
    features: Callable[[Params, jax.Array], jax.Array]


class MlpClassifier(nn.Module):
    """Images [N, H, W, C] to logits of classes and to the inputs of the last layer."""

    layer_sizes: Sequence[int]
    num_classes: int
    initializer: str

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(images.shape[0], -1)
        for i, features in enumerate(self.layer_sizes):
            x = nn.relu(dense(features, x.shape[-1], self.initializer, f"dense{i}")(x))
        return dense(self.num_classes, x.shape[-1], self.initializer, "classes")(x), x


def mlp_classifier(
    *, layer_sizes: Sequence[int], initializer: str, num_classes: int = 10
) -> Classifier:
    """A classifier with hidden layers of `layer_sizes` units."""
    module = MlpClassifier(layer_sizes, num_classes, initializer)

    def init(key, shape):
        return drawn(key, initializer, module, jnp.zeros((1, *shape)))

    def apply(params, images):
        return module.apply({"params": params}, images)

    return Classifier(
        init,
        lambda params, images: apply(params, images)[0],
        lambda params, images: apply(params, images)[1],
    )

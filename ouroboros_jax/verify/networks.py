"""Checks of networks: the published autoencoder's size."""

from collections.abc import Iterator

import jax
import numpy as np

from ouroboros_jax.models.vae import conv_vae
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session


def autoencoder(session: Session) -> Iterator[Reading]:
    """The convolutional autoencoder of Shumailov et al. has 647,081 parameters."""
    del session
    network = conv_vae(layer_sizes=(64, 128), latent_dim=20, initializer="torch", conv_impl="auto")
    shapes = jax.eval_shape(lambda key: network.init(key, (28, 28, 1)), jax.random.key(0))
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))
    yield reading.exact("parameters of the paper's autoencoder", 647_081, count, 0)

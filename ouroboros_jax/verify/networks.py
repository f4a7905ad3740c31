"""Checks of networks: the published autoencoder's size, and the narrowing of its codes."""

from collections.abc import Iterator

import jax
import numpy as np

from ouroboros_jax.models.vae import conv_vae
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session, chosen

GENERATIONS = 3
DENSE = {
    "learner__network": "mlp", "learner__layer_sizes": (32,), "learner__latent_dim": 4,
    "learner__batch_size": 64, "learner__epochs": 30, "learner__learning_rate": 4e-3,
    "learner__num_scored": 2000,
}  # fmt: skip


def autoencoder(session: Session) -> Iterator[Reading]:
    """The convolutional autoencoder of Shumailov et al. has 647,081 parameters, and the codes of
    each generation's images lie closer together than those of the generation before."""
    network = conv_vae(layer_sizes=(64, 128), latent_dim=20, initializer="torch", conv_impl="auto")
    shapes = jax.eval_shape(lambda key: network.init(key, (28, 28, 1)), jax.random.key(0))
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))
    yield reading.exact("parameters of the paper's autoencoder", 647_081, count, 0)
    run = session.run(
        "vae", "replace", "digits", num_samples=640, generations=GENERATIONS,
        metrics=("latent_std",), data__num_test=100, learner__points="dataset", **DENSE,
    )  # fmt: skip
    (std,) = chosen(run, "latent_std")
    law = "generations whose images' codes narrow (dense, digits)"
    yield reading.exact(law, GENERATIONS, (np.diff(std) < 0).sum(), 0)

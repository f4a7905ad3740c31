"""Losses of images, as the published codes have them: sums over pixels, points and latents."""

import jax
import jax.numpy as jnp


def bce(logits: jax.Array, images: jax.Array) -> jax.Array:
    """Binary cross-entropy of each image, in nats, [N].

    sum -x log p - (1 - x) log(1 - p) over pixels, with p the sigmoid of the logits. Grey pixels are
    allowed; the loss is then bounded below by their entropy.

    Args:
      logits: [N, H, W, C].
      images: the same shape, in [0, 1].
    """
    loss = jax.nn.softplus(logits) - images * logits
    return loss.reshape(loss.shape[0], -1).sum(1)


def mse(logits: jax.Array, images: jax.Array) -> jax.Array:
    """Squared error of each image, summed over pixels, [N]: 1/2 of a variance in nats.

    Up to a constant minus the log density of a normal law about the sigmoid of the logits with
    variance 1/2. Arguments as of `bce`.
    """
    loss = jnp.square(jax.nn.sigmoid(logits) - images)
    return loss.reshape(loss.shape[0], -1).sum(1)


def kl_to_normal(mean: jax.Array, log_var: jax.Array) -> jax.Array:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each code, in nats; [N, L] to [N]."""
    return -0.5 * (1 + log_var - jnp.square(mean) - jnp.exp(log_var)).sum(1)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-log of the probability of each label, in nats, [N]; logits [N, K]."""
    chosen = jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]
    return jax.nn.logsumexp(logits, axis=1) - chosen


RECONSTRUCTIONS = {"bce": bce, "mse": mse}

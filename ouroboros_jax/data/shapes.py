"""Laws on curves and sheets: scikit-learn's moons, circles and Swiss roll, drawn for each chain.

Definitions are those of `sklearn.datasets.make_moons`, `make_circles` and `make_swiss_roll`, except
that places along a curve are drawn uniformly, not spaced evenly: points are independent.
`data.noise`, a traced setting, is the standard deviation of the noise on every coordinate. Their
densities have no closed form; `theory.truths` has their variances.
"""

import jax
import jax.numpy as jnp

from ouroboros_jax.data.base import RealData, law
from ouroboros_jax.draws.numbers import normals, unit_uniforms
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.errors import UserError


def moons() -> RealData:
    """Two interleaving half circles of radius 1."""

    def draw(key, settings, num):
        places, noise = _random(key, num, 2)
        angle, is_outer = jnp.pi * places[:, 0], places[:, 1] < 0.5
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        x = jnp.where(is_outer, cos, 1 - cos)
        y = jnp.where(is_outer, sin, 0.5 - sin)
        return jnp.stack([x, y], 1) + _scale(settings) * noise

    return law("moons", draw, shape=(2,))


def circles(*, factor: float = 0.8) -> RealData:
    """A circle of radius 1 and one of radius `factor` inside it, half of the points on each."""
    if not 0 <= factor < 1:
        raise UserError(f"data.factor is {factor}, expected at least 0 and less than 1")

    def draw(key, settings, num):
        places, noise = _random(key, num, 2)
        angle = 2 * jnp.pi * places[:, 0]
        radius = jnp.where(places[:, 1] < 0.5, 1.0, factor)
        points = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
        return points + _scale(settings) * noise

    return law("circles", draw, shape=(2,), definition={"factor": factor})


def swiss_roll() -> RealData:
    """A sheet rolled up: (t cos t, height, t sin t), t in [3 pi/2, 9 pi/2], height in [0, 21]."""

    def draw(key, settings, num):
        places, noise = _random(key, num, 3)
        t = 1.5 * jnp.pi * (1 + 2 * places[:, 0])
        points = jnp.stack([t * jnp.cos(t), 21 * places[:, 1], t * jnp.sin(t)], 1)
        return points + _scale(settings) * noise

    return law("swiss_roll", draw, shape=(3,))


def _random(key, num: int, num_features: int) -> tuple[jax.Array, jax.Array]:
    """Two uniforms per point, and a normal per coordinate."""
    key_place, key_noise = split(key)
    return (
        unit_uniforms(key_place, (num, 2)),
        normals(key_noise, (num, num_features)),
    )


def _scale(settings) -> jax.Array:
    return jnp.asarray(settings.data["noise"], jnp.result_type(float))

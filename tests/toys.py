"""Learners and data of other kinds than the package's own: each a few lines, and easy to check.

`tagged` points say where they came from; `pictures`, `sentences` and `curves` are the shapes that
networks bring: images with labels over several epochs, tokens that continue prompts, regression.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Learner, Parts, closed_form
from ouroboros_jax.data.base import RealData, finite, hash_rows, law, subset
from ouroboros_jax.regimes import Regime
from ouroboros_jax.registry import Setting

TRACES = []  # a name for every time that a function was traced


def _table(name, rows, test=None):
    """Finite real data of any pytree."""
    leaves = jax.tree.leaves(rows)
    shapes = jax.tree.map(lambda a: a.shape[1:], rows)
    return RealData(subset, None, rows, test, name, "toys", hash_rows(*leaves), shapes)


# A regime of the user's


def half_of_real():
    """So many points of the real ones and the new ones together."""
    return Regime(
        sources=(1,),
        counts=lambda settings, generation: settings.num_samples[None],
        kept="real",
        subsample=True,
    )


def keeper():
    """A regime that keeps what there is not."""
    return half_of_real()._replace(kept="windows")


# Learners and data of a user's that break

PLACES = ("init", "fit", "sample", "measure")


def failing(*, where="sample"):
    """A learner that raises in one of `PLACES`."""

    def at(place, value):
        if place == where:
            raise RuntimeError(f"no {place}\nand more")
        return value

    return closed_form(
        lambda key, settings, data: at("init", Level(jnp.zeros(()))),
        lambda key, settings, params, pool: at("fit", params),
        lambda key, settings, params, source, num: at("sample", jnp.zeros((num, 1))),
        lambda settings, params, context: at("measure", {"mean": params.value[None]}),
    )


def flat():
    """A learner whose points have no features."""
    return failing(where="nowhere")._replace(
        sample=lambda key, settings, params, source, num: jnp.zeros(num)
    )


def unlike():
    """A law whose points are not of its shape."""
    return law("unlike", lambda key, settings, num: jnp.zeros((num, 3)), shape=(2,))


def undrawn():
    """A law that cannot be drawn from."""
    return law("undrawn", lambda key, settings, num: 1 / 0, shape=(2,))


# Points that say where they came from

REAL = -1  # the tag of a real point; a model's is its generation


class Age(NamedTuple):
    generation: jax.Array  # float [], of this model


def greedy():
    """A regime that asks each of two sources for all the points."""
    return Regime(
        sources=(REAL, 1), counts=lambda settings, _: jnp.stack([settings.num_samples] * 2)
    )


def careless():
    """A regime that does not say its counts."""
    return Regime(sources=(REAL, 1), counts=lambda settings, generation: 1 / 0)


def tagged():
    """A model that knows its generation alone; a point is its model's tag and a number of its own.

    `sample` draws nothing from the parameters but the tag, so all regimes draw the same points.
    """

    def init(key, settings, data):
        return Age(jnp.float32(REAL))

    def sample(key, settings, params, source, num):
        TRACES.append("sample")
        tag = jnp.full(num, params.generation.astype(jnp.int32))
        return {"tag": tag, "id": jax.random.bits(key, (num,), jnp.uint32)}

    return Learner(
        init,
        lambda key, settings, params, pool: params,
        lambda key, settings, params, pool: (Age(params.generation + 1), {}),
        lambda params: (params, {}),
        sample,
        lambda settings, params, context: {"variance": params.generation},
        block=4,
    )


def wide(*, width=1):
    """`tagged` with the tag `width` times over: parameters of a shape that a setting decides."""
    learner = tagged()

    def sample(key, settings, params, source, num):
        return learner.sample(key, settings, Age(params.generation[0]), source, num)

    return learner._replace(
        init=lambda key, settings, data: Age(jnp.full(width, float(REAL))),
        sample=sample,
        measure=lambda settings, params, context: {"variance": params.generation[0]},
    )


def tags():
    """Real points of `tagged`, from a law."""

    def draw(key, settings, num):
        bits = jax.random.bits(key, (num,), jnp.uint32)
        return {"tag": jnp.full(num, REAL, jnp.int32), "id": bits}

    return law("tags", draw, shape={"tag": (), "id": ()})


def tag_table(*, rows=40):
    """Real points of `tagged`, from a table of rows 0, 1, ..."""
    table = {"tag": np.full(rows, REAL, np.int32), "id": np.arange(rows, dtype=np.uint32)}
    return _table("tag_table", table)


def whole_numbers():
    """Rows of integers."""
    rows = np.random.default_rng(0).integers(0, 9, (50, 2))
    return finite("whole_numbers", rows, origin="toys")


# A chain that breaks


class Level(NamedTuple):
    value: jax.Array  # float []


def brittle():
    """The mean of the pool, plus a noise; infinite as soon as a fit meets `learner.limit`."""

    def fit_step(key, settings, params, pool):
        mean = (pool.weights * pool.data[:, 0]).sum() / pool.weights.sum()
        mean = mean + 1  # so that every chain meets its limit at a generation of its own
        return Level(jnp.where(mean > settings.learner["limit"], jnp.nan, mean)), {}

    return Learner(
        lambda key, settings, data: Level(jnp.zeros(())),
        lambda key, settings, params, pool: params,
        fit_step,
        lambda params: (params, {}),
        lambda key, settings, params, source, num: (
            params.value + 0.1 * jax.random.normal(key, (num, 1))
        ),
        lambda settings, params, context: {"mean": params.value[None]},
        block=4,
    )


brittle.settings = {"limit": Setting(1e9, "where the fit breaks", traced=True)}


# Images with labels, over epochs


class Prototypes(NamedTuple):
    images: jax.Array  # [K, H, W], one a class
    shares: jax.Array  # [K]


class Epochs(NamedTuple):
    params: Prototypes
    epochs: jax.Array  # int32 []


def pictures(*, hosted=False, points="rows", part=0):
    """A prototype a class, moved half-way to its class's mean in each of 3 epochs, bit by bit;
    drawn `part` rows at a time."""
    classes = 3

    def init(key, settings, data):
        shape = (classes, *data["image"].shape[1:])
        return Prototypes(jnp.full(shape, jax.random.uniform(key)), jnp.full(classes, 1 / classes))

    def fit_step(key, settings, fit, pool):
        is_class = pool.data["label"][None] == jnp.arange(classes)[:, None]
        weights = pool.weights[None] * is_class  # [K, N]
        image = pool.data["image"].astype(jnp.float32) / 255
        totals = jnp.maximum(weights.sum(1), 1e-6)
        mean = jnp.einsum("kn,nhw->khw", weights, image) / totals[:, None, None]
        noise = 1e-3 * jax.random.uniform(key)  # every epoch has a key of its own
        images = (fit.params.images + mean) / 2 + noise
        shares = weights.sum(1) / pool.weights.sum()
        return Epochs(Prototypes(images, shares), fit.epochs + 1), {"loss": shares.sum()}

    def sample(key, settings, params, source, num, places=None):
        uniform = jax.random.uniform(key, (num,))
        uniform = uniform if places is None else uniform[places]
        edges = jnp.cumsum(params.shares)[:-1]
        label = (uniform[:, None] > edges[None]).sum(1, dtype=jnp.int32)
        level = jnp.clip(params.images, 0, 1)[label] * uniform[:, None, None]
        return {"image": (level * 255).astype(jnp.uint8), "label": label}

    return Learner(
        init,
        lambda key, settings, params, pool: Epochs(params, jnp.int32(0)),
        fit_step,
        lambda fit: (fit.params, {"em_steps": fit.epochs}),
        sample,
        lambda settings, params, context: {
            "variance": params.images.var(),
            "brightness": params.images.mean() - context.prepared,
        },
        num_steps=3,
        block=4,
        hosted=hosted,
        parts=Parts(sample, part) if part else None,
        points=points,
        prepare=lambda key, settings, table: jnp.asarray(table["image"]).mean() / 255,
        across=lambda key, settings, models, table, test: {
            "distance": jnp.abs(models.images[:, None] - models.images[None]).mean((2, 3, 4))
        },
    )


def digits_of_mine(*, rows=30):
    """Images of 4 x 4 pixels in bytes, with labels."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, rows).astype(np.int32)
    image = (rng.integers(0, 80, (rows, 4, 4)) + 80 * label[:, None, None]).astype(np.uint8)
    return _table("digits_of_mine", {"image": image, "label": label})


def judged(*, steps=1):
    """`pictures`, scored by their closeness to test images in units of what is prepared."""
    learner = pictures()

    def measure(settings, params, context):
        found = {"variance": params.images.var()}
        if context.test is not None:
            image = context.test["image"].astype(jnp.float32) / 255
            gaps = jnp.square(image - params.images[context.test["label"]]).mean((1, 2))
            is_class = context.test["label"][None] == jnp.arange(3)[:, None]
            by_class = (is_class * gaps[None]).sum(1) / jnp.maximum(is_class.sum(1), 1)
            found |= {"closeness": -gaps.mean() / context.prepared, "by_class": by_class}
        return found

    scores = "closeness", "by_class"
    return learner._replace(measure=measure, num_steps=steps, scores=scores, across=None)


def digits_of_another():
    """Images of the same kind as `digits_of_mine`, some of them held out."""
    train, test = digits_of_mine(rows=12).table, digits_of_mine(rows=7).table
    return _table("digits_of_another", train, test)


# Tokens that continue prompts


class Bigrams(NamedTuple):
    logits: jax.Array  # [V, V]


def sentences():
    """Bigram frequencies; a sentence continues the first tokens of a real one."""
    vocabulary = 5

    def fit_step(key, settings, params, pool):
        tokens = jax.nn.one_hot(pool.data["tokens"], vocabulary)
        pairs = pool.data["mask"][:, 1:] * pool.weights[:, None]
        counts = jnp.einsum("nt,nti,ntj->ij", pairs, tokens[:, :-1], tokens[:, 1:])
        return Bigrams(jnp.log(counts + 0.1)), {}

    def sample(key, settings, params, source, num):
        uniform = jax.random.uniform(key, (num, source["tokens"].shape[1]))
        chosen = (uniform[:, 0] * len(source["tokens"])).astype(jnp.int32)
        tokens = source["tokens"][chosen]
        edges = jnp.cumsum(jax.nn.softmax(params.logits), 1)[:, :-1]
        for t in range(3, tokens.shape[1]):  # the first three prompt
            before = edges[tokens[:, t - 1].astype(jnp.int32)]
            new = (uniform[:, t, None] > before).sum(1).astype(tokens.dtype)
            tokens = tokens.at[:, t].set(new)
        return {"tokens": tokens, "mask": jnp.ones(tokens.shape, jnp.float32)}

    return Learner(
        lambda key, settings, data: Bigrams(jnp.zeros((vocabulary, vocabulary))),
        lambda key, settings, params, pool: params,
        fit_step,
        lambda params: (params, {}),
        sample,
        lambda settings, params, context: {"variance": params.logits.var()},
        block=4,
    )


def prose(*, rows=30):
    """Sentences of 6 tokens in the narrowest integers."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 5, (rows, 6)).astype(np.int8)
    return _table("prose", {"tokens": tokens, "mask": np.ones((rows, 6), np.float32)})


# Regression


class Line(NamedTuple):
    slope: jax.Array  # [D]
    log_noise: jax.Array  # []


def curves():
    """Ridge regression by its normal equations; new inputs are real ones, targets the model's."""

    def fit_step(key, settings, params, pool):
        x, y = pool.data
        gram = (pool.weights[:, None] * x).T @ x + 1e-3 * jnp.eye(x.shape[1])
        a, b, c = gram[0, 0], gram[0, 1], gram[1, 1]  # no LAPACK: a 2 x 2 inverse by hand
        right = (pool.weights[:, None] * x * y[:, None]).sum(0)
        inverse = jnp.array([[c, -b], [-b, a]]) / (a * c - b * b)
        slope = inverse @ right
        residual = pool.weights * jnp.square(y - x @ slope)
        variance = residual.sum() / pool.weights.sum()
        return Line(slope, jnp.log(variance + 1e-9) / 2), {}

    def sample(key, settings, params, source, num):
        key_input, key_noise = jax.random.split(key)
        chosen = jax.random.randint(key_input, (num,), 0, source[0].shape[0])
        x = source[0][chosen].astype(jnp.float32)
        noise = jax.random.normal(key_noise, (num,))
        return x, x @ params.slope + jnp.exp(params.log_noise) * noise

    return Learner(
        lambda key, settings, data: Line(jnp.zeros(data[0].shape[1]), jnp.zeros(())),
        lambda key, settings, params, pool: params,
        fit_step,
        lambda params: (params, {}),
        sample,
        lambda settings, params, context: {"mean": params.slope},
        block=4,
    )


def line(*, rows=30):
    """Inputs of two features and noisy targets."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((rows, 2)).astype(np.float32)
    y = (x @ np.array([1.0, -2.0]) + 0.1 * rng.standard_normal(rows)).astype(np.float32)
    return _table("line", (x, y))

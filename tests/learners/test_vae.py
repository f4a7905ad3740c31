"""The autoencoder's fit and draws: reference numbers, epochs, labels, samplers, judges."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.learners import epochs, judge, vae_model
from ouroboros_jax.learners.image_losses import cross_entropy
from ouroboros_jax.learners.pixels import as_float, as_kept
from ouroboros_jax.learners.vae import vae
from ouroboros_jax.learners.vae_model import NO_LABEL, Model, classifier_loss, vae_loss
from ouroboros_jax.models.classifier import mlp_classifier
from ouroboros_jax.models.vae import conv_vae, mlp_vae

pytestmark = pytest.mark.usefixtures("quick_compilation")

REFERENCE = Path(__file__).parents[1] / "fixtures" / "images" / "reference.npz"
SHAPE = (8, 8, 1)
TOLD = {
    "beta": 1.0, "learning_rate": 3e-3, "weight_decay": 0.0, "classifier_learning_rate": 3e-3,
}  # fmt: skip
SAMPLER = {"temperature": 1.0, "truncation": 10.0}
SMALL = {
    "network": "mlp", "layer_sizes": (16,), "latent_dim": 2, "batch_size": 8, "epochs": 2,
    "classifier_layer_sizes": (12,), "classifier_epochs": 3, "num_scored": 60,
}  # fmt: skip


def settings_of(sampler=(), **told):
    none = jnp.int32(0)
    learner, sampler = TOLD | told, SAMPLER | dict(sampler)
    learner, sampler = ({k: jnp.float32(v) for k, v in s.items()} for s in (learner, sampler))
    return Settings(none, none, none, learner, {}, sampler, {})


def bars(num, seed=0):
    """Images of a bar, up or across, with its direction as the label."""
    rng = np.random.default_rng(seed)
    label, place = rng.integers(0, 2, num), rng.integers(1, 7, num)
    image = rng.uniform(0, 0.1, (num, *SHAPE)).astype(np.float32)
    for i in range(num):
        image[(i, slice(None), place[i])[: 2 + label[i]] if label[i] else (i, place[i])] = 0.9
    return {"image": jnp.asarray(image), "label": jnp.asarray(label, jnp.int32)}


def pool_of(data, weights=None):
    num = len(data["image"])
    weights = jnp.ones(num) if weights is None else jnp.asarray(weights, jnp.float32)
    return Pool(data, weights, jnp.zeros(num, jnp.int32), weights.sum()[None])


def fitted(learner, key, pool, **told):
    """A whole fit from scratch, compiled, and what its steps said."""
    settings = settings_of(**told)

    def fit(key, pool):
        key_init, key_fit = jax.random.split(key)
        params = learner.init(key_init, settings, pool.data)
        begun = learner.fit_begin(key_fit, settings, params, pool)
        keys = jax.random.split(jax.random.fold_in(key_fit, 1), learner.num_steps)
        state, info = jax.lax.scan(
            lambda state, key: learner.fit_step(key, settings, state, pool), begun, keys
        )
        return learner.fit_end(state)[0], info

    return jax.jit(fit)(key, pool)


@pytest.fixture(autouse=True)
def brief_judge(monkeypatch):
    monkeypatch.setattr(judge, "NUM_STEPS", 60)
    monkeypatch.setattr(judge, "BATCH_SIZE", 64)


# Reference numbers


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as stored:
        return dict(stored)


def tree(reference, prefix):
    """The arrays below a prefix as nested dicts."""
    found = {}
    for name, array in reference.items():
        if name.startswith(prefix):
            *path, last = name[len(prefix) :].split("/")
            branch = found
            for part in path:
                branch = branch.setdefault(part, {})
            branch[last] = jnp.asarray(array)
    return found


def problem(name, conv_impl):
    """The learner's own loss of a small network of the reference."""
    if name == "classifier":
        return classifier_loss(mlp_classifier(layer_sizes=(9, 7), initializer="torch"))
    if name == "conv":
        network = conv_vae(
            layer_sizes=(3, 5), latent_dim=4, initializer="torch", conv_impl=conv_impl
        )
        return vae_loss(Model(network, 4, None, "bce", "mean"), jnp.float32(0.7))
    network = mlp_vae(layer_sizes=(8, 6), latent_dim=3, initializer="torch")
    return vae_loss(Model(network, 3, None, "mse", "mean"), jnp.float32(0.7))


@pytest.mark.parametrize(
    ("name", "conv_impl"),
    [("conv", "lax"), ("conv", "matmul"), ("mlp", ""), ("classifier", "")],
)
def test_loss_gradient_and_adam_are_pytorchs(reference, monkeypatch, name, conv_impl):
    """Of sums over pixels and latents, L2 decay added to the gradient; beta is 0.7."""
    loss = problem(name, conv_impl)
    params = tree(reference, f"{name}/params/")
    images = jnp.asarray(reference["images"], jnp.float32)[..., None]
    data = {"image": images, "label": jnp.asarray(reference["labels"], jnp.int32)}
    noise = jnp.asarray(reference[f"{name}/noise"])
    monkeypatch.setattr(vae_model, "normals", lambda key, shape, dtype: noise.astype(dtype))
    weights = jnp.ones(len(images))

    @jax.jit
    def step(params):
        (value, _), gradient = jax.value_and_grad(
            lambda p: loss(jax.random.key(0), p, data, weights), has_aux=True
        )(params)
        rates = jnp.float32(reference["learning_rate"]), jnp.float32(reference["weight_decay"])
        return value, gradient, epochs.step(epochs.begin(params), gradient, *rates).params

    value, gradient, stepped = step(params)
    np.testing.assert_allclose(value, reference[f"{name}/loss"], rtol=1e-6)
    for found, prefix, atol in ((gradient, "gradient", 3e-5), (stepped, "stepped", 2e-6)):
        expected = tree(reference, f"{name}/{prefix}/")
        jax.tree.map(
            lambda a, b, atol=atol: np.testing.assert_allclose(a, b, rtol=2e-5, atol=atol),
            found,
            expected,
        )
    changed = jax.tree.map(lambda a, b: float(jnp.abs(a - b).min()), params, stepped)
    assert min(jax.tree.leaves(changed)) > 1e-4  # every parameter moved by about the rate


# Epochs


def test_an_epoch_sees_every_point_once_and_no_empty_slot():
    """Whatever the batch size: 13 points of 20 slots in batches of 5 are 5, 5 and 3."""
    rng = np.random.default_rng(0)
    weights = np.zeros(20, np.float32)
    weights[rng.permutation(20)[:13]] = 1
    data = {"id": jnp.arange(20.0), "image": jnp.zeros((20, 1))}

    def loss(key, params, data, weights):
        seen = jnp.zeros(20).at[data["id"].astype(jnp.int32)].add(weights)
        sums = {"seen": seen, "batches": jnp.float32(1), "full": (weights.sum() == 5) * 1.0}
        return (params * weights).sum(), sums

    @jax.jit
    def run(key, is_due):
        return epochs.epoch(
            key, epochs.begin(jnp.float32(1)), pool_of(data, weights), loss,
            batch_size=5, learning_rate=jnp.float32(0.1), is_due=is_due,
        )  # fmt: skip

    training, sums = run(jax.random.key(0), True)
    np.testing.assert_allclose(sums["seen"] * 13, weights, atol=1e-6)
    assert round(float(sums["batches"] * 13)) == 3 and round(float(sums["full"] * 13)) == 2
    assert training.params < 1
    training, sums = run(jax.random.key(0), False)
    assert training.params == 1 and np.isnan(sums["batches"])


def test_orders_differ_and_weights_count():
    data = {"id": jnp.arange(6), "image": jnp.zeros((6, 1))}
    orders = []

    def loss(key, params, data, weights):
        return params.sum() * weights.sum(), {
            "first": data["id"][0] * 1.0,
            "squares": jnp.square(weights).sum(),
        }

    for seed in range(4):
        _, sums = epochs.epoch(
            jax.random.key(seed), epochs.begin(jnp.zeros(1)),
            pool_of(data, [1, 1, 1, 3, 0, 0]), loss,
            batch_size=6, learning_rate=jnp.float32(0),
        )  # fmt: skip
        orders.append(float(sums["first"]))
        # Of weights 2/3, 2/3, 2/3 and 2, whose mean is 1; empty slots have none.
        np.testing.assert_allclose(sums["squares"], 4 / 3, rtol=1e-5)
    assert len(set(orders)) > 1


# The learner


@pytest.fixture(scope="module", params=["dense, labelled", "convolutional"])
def case(request):
    dense = request.param == "dense, labelled"
    own = {"classifier": dense} if dense else {"network": "conv", "layer_sizes": (4, 6)}
    learner = vae(**SMALL | own)
    data = bars(64)
    return learner, data, fitted(learner, jax.random.key(0), pool_of(data))


def test_a_fit_improves_and_tells(case):
    learner, _, (params, info) = case
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert info["reconstruction"][1] < info["reconstruction"][0]
    if "classifier" in params:
        assert learner.num_steps == 3
        assert np.isnan(info["kl"][2]) and np.isfinite(info["classifier_loss"][2])
        assert info["classifier_accuracy"][2] > 0.5
    else:
        assert learner.num_steps == 2 and set(info) == {"reconstruction", "kl"}


def test_equal_keys_give_equal_draws_and_others_others(case):
    learner, data, (params, _) = case
    draw = jax.jit(learner.sample, static_argnums=4)
    one, two, other = (
        draw(jax.random.key(seed), settings_of(), params, data, 30) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one["image"], two["image"])
    assert not np.array_equal(one["image"], other["image"])
    assert one["image"].shape == (30, *SHAPE) and one["image"].dtype == jnp.float32
    assert ((one["image"] >= 0) & (one["image"] <= 1)).all()
    labels = set(np.unique(one["label"]).tolist())
    assert labels <= {0, 1} if "classifier" in params else labels == {NO_LABEL}
    fewer = draw(jax.random.key(1), settings_of(), params, data, 12)
    np.testing.assert_allclose(fewer["image"], one["image"][:12], atol=1e-6)


def test_bytes_are_kept_as_bytes(case):
    learner, data, (params, _) = case
    table = {"image": as_kept(data["image"], jnp.uint8), "label": data["label"]}
    draw = jax.jit(learner.sample, static_argnums=4)
    kept = draw(jax.random.key(1), settings_of(), params, table, 30)["image"]
    exact = draw(jax.random.key(1), settings_of(), params, data, 30)["image"]
    assert kept.dtype == jnp.uint8
    np.testing.assert_allclose(as_float(kept), exact, atol=0.5 / 255 + 1e-6)


def test_samplers_narrow_the_codes(case, monkeypatch):
    learner, data, (params, _) = case
    seen = []
    monkeypatch.setattr(
        vae_model,
        "in_chunks",
        lambda function, codes, size: seen.append(codes) or in_chunks(function, codes, size),
    )
    for sampler in ({}, {"temperature": 0.25}, {"truncation": 0.5}):
        learner.sample(jax.random.key(1), settings_of(sampler), params, data, 2000)
    plain, cool, cut = (np.asarray(codes) for codes in seen)
    assert abs(plain.std() - 1) < 0.05 and np.abs(plain).max() > 2.5
    np.testing.assert_allclose(cool, plain / 2, rtol=1e-5)
    assert np.abs(cut).max() <= 0.5


@pytest.fixture
def labelled(case):
    """The case with a classifier alone."""
    if "classifier" not in case[2][0]:
        pytest.skip("the case without a classifier")
    return case


def test_pixels_can_be_drawn(case):
    """Black and white, and on average the mean."""
    learner, data, (params, _) = case
    own = {"network": "mlp"} if "dense0" in params["vae"]["encoder"] else {
        "network": "conv", "layer_sizes": (4, 6)
    }  # fmt: skip
    drawing = jax.jit(vae(**SMALL | own | {"pixels": "bernoulli"}).sample, static_argnums=4)
    # Codes that do not vary: all images have the same means.
    settings = settings_of({"temperature": 1e-8})
    drawn = drawing(jax.random.key(1), settings, params, data, 3000)["image"]
    assert set(np.unique(drawn)) == {0.0, 1.0}
    means = jax.jit(learner.sample, static_argnums=4)(jax.random.key(1), settings, params, data, 1)[
        "image"
    ][0]
    error = np.sqrt(means * (1 - means) / 3000)
    assert (np.abs(drawn.mean(0) - means) < 4.5 * error + 1e-3).all()


def test_labels_are_the_previous_classifiers(labelled):
    """A generated image's label is what the drawing generation's classifier says of it."""
    learner, data, (params, _) = labelled
    draw = jax.jit(learner.sample, static_argnums=4)
    drawn = draw(jax.random.key(1), settings_of(), params, data, 40)
    classifier = mlp_classifier(layer_sizes=(12,), initializer="torch")
    logits = classifier.logits(params["classifier"], drawn["image"])
    np.testing.assert_array_equal(drawn["label"], logits.argmax(1))


def test_the_classifier_begins_afresh_unless_told():
    data = bars(16)
    begun = {}
    for start in ("fresh", "previous"):
        learner = vae(**SMALL | {"classifier": True, "classifier_start": start})
        params = jax.jit(learner.init)(jax.random.key(0), settings_of(), data)
        state = jax.jit(learner.fit_begin)(jax.random.key(1), settings_of(), params, pool_of(data))
        same = jax.tree.map(jnp.array_equal, state.classifier.params, params["classifier"])
        begun[start] = all(jax.tree.leaves(same))
        assert all(jax.tree.leaves(jax.tree.map(jnp.array_equal, state.vae.params, params["vae"])))
    assert begun == {"fresh": False, "previous": True}


def test_every_metric_is_taken(case):
    """At generation 0 a generation is its own reference, and its first labels its own."""
    learner, data, (params, _) = case
    prepared = jax.jit(lambda key: learner.prepare(key, None, data))(jax.random.key(5))
    context = Context(None, params, data, prepared)
    found = jax.jit(lambda p: learner.measure(settings_of(), p, context))(params)
    assert all(np.isfinite(value).all() for value in found.values())
    assert found["label_counts_judge"].sum() == 60
    assert found["variance"] > 0 and found["test_elbo"] < 0
    np.testing.assert_allclose(found["latent_histogram"].sum() * 0.1, 1, rtol=1e-5)
    if "classifier" in params:
        np.testing.assert_array_equal(found["label_counts"], found["label_counts_first"])
        classifier = mlp_classifier(layer_sizes=(12,), initializer="torch")
        logits = classifier.logits(params["classifier"], data["image"])
        np.testing.assert_allclose(
            found["test_classifier_loss"], cross_entropy(logits, data["label"]).mean(), rtol=1e-5
        )
    else:
        assert not any(name.endswith("_first") for name in found)
    if "classifier" in params:
        few = vae(**SMALL, classifier=True, metrics=("variance",)).measure
        found = jax.eval_shape(lambda p: few(settings_of(), p, context), params)
        assert set(found) == {"variance"}


def test_no_judge_is_trained_where_none_is_asked():
    """And what is asked for is the same as beside all other metrics."""
    data, names = bars(16), ("latent_std", "pairwise_distance", "test_elbo")
    found = {}
    for metrics in (names, None):
        learner = vae(**SMALL, metrics=metrics)
        params = jax.jit(learner.init)(jax.random.key(0), settings_of(), data)
        prepared = jax.jit(lambda key: learner.prepare(key, None, data))(jax.random.key(5))  # noqa: B023
        assert (prepared.params == ()) == (metrics is not None)
        context = Context(None, params, data, prepared)
        found[metrics] = jax.jit(learner.measure)(settings_of(), params, context)
    assert set(found[names]) == set(names)
    for name in names:
        np.testing.assert_allclose(found[names][name], found[None][name], rtol=1e-6)
    assert vae(**SMALL, metrics=("recall",)).prepare(jax.random.key(5), None, data).params


def test_matrices_of_classifiers_and_data(labelled):
    """A classifier agrees with its own labels, and a generation of other classes with none."""
    learner, data, (params, _) = labelled
    turned = jax.tree.map(lambda a: a, params)
    last = turned["classifier"]["classes"]
    turned["classifier"] = turned["classifier"] | {
        "classes": jax.tree.map(lambda a: jnp.roll(a, 3, -1), last)
    }
    models = jax.tree.map(lambda a, b: jnp.stack([a, b]), params, turned)
    found = jax.jit(lambda m: learner.across(jax.random.key(2), settings_of(), m, data, None))(
        models
    )
    np.testing.assert_array_equal(found["classifier_accuracy_matrix"], np.eye(2))
    loss = np.asarray(found["classifier_loss_matrix"])
    assert loss.shape == (2, 2) and loss[0, 1] > loss[0, 0] and loss[1, 0] > loss[1, 1]


def test_the_judge_knows_real_images():
    data = bars(200)
    trained = jax.jit(judge.train)(jax.random.key(0), data)
    other = bars(100, seed=1)
    said = judge.network().logits(trained.params, other["image"]).argmax(1)
    assert (said == other["label"]).mean() > 0.9
    assert trained.features.shape == (200, 128) and trained.radii.shape == (200,)


def test_chunks_are_put_together():
    rows = {"a": jnp.arange(7.0), "b": jnp.arange(14).reshape(7, 2)}
    found = in_chunks(
        lambda i, x: {"sum": x["a"] + x["b"].sum(1), "chunk": x["a"] * 0 + i}, rows, 3
    )
    np.testing.assert_array_equal(found["sum"], np.arange(7) + np.arange(14).reshape(7, 2).sum(1))
    np.testing.assert_array_equal(found["chunk"], [0, 0, 0, 1, 1, 1, 2])

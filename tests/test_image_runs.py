"""Autoencoders in the closed loop: they collapse, resume inside a fit, and suit every regime."""

import os

import jax
import numpy as np
import pytest
from cuts import interrupted_after

import ouroboros_jax as oj
from ouroboros_jax import registry
from ouroboros_jax.config import load_config, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures import figures_of
from ouroboros_jax.figures.pictures import Animation
from ouroboros_jax.learners import judge

pytestmark = pytest.mark.usefixtures("compiled_once", "quick_compilation")

SMALL = {
    "learner.network": "mlp", "learner.layer_sizes": (32,), "learner.latent_dim": 4,
    "learner.batch_size": 64, "learner.epochs": 2, "learner.num_scored": 200,
    "learner.classifier_layer_sizes": (24,), "learner.classifier_epochs": 2,
    "learner.learning_rate": 2e-3, "num_samples": 192, "chains": 2, "generations": 2,
}  # fmt: skip
OUROBOROS = {
    "learner.start": "previous", "learner.points": "dataset", "learner.classifier": True,
    "learner.loss": "mse",
}  # fmt: skip


@pytest.fixture(autouse=True)
def brief_judge(monkeypatch):
    monkeypatch.setattr(judge, "NUM_STEPS", 40)


def config_of(regime="replace", **overrides):
    config = new_config(learner="vae", regime=regime, data="digits")
    return oj.config.apply(config, SMALL | overrides)


def go(config, workdir=None):
    return oj.run(config, workdir, progress=False, figures=False)


def test_digits_are_images_to_an_autoencoder():
    """The kind of data that a learner is fitted to decides what `digits` means."""
    assert config_of().data.name == "image_digits"
    assert new_config(learner="gmm", regime="replace", data="digits").data.name == "digits"
    assert load_config("vae", {"data.name": "digits"}).data.name == "image_digits"
    turned = oj.config.apply(load_config("gmm", {"data.name": "digits"}), {"learner.name": "vae"})
    assert turned.data.name == "image_digits"


@pytest.fixture(scope="module")
def looped():
    """Model Ouroboros, small: a run of some generations on one network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "NUM_STEPS", 200)
        return go(config_of(**OUROBOROS, **{"generations": 5, "learner.epochs": 12}))


def test_training_beats_the_untrained(looped):
    """Generation 0 on held-out digits, against the same network before its first epoch."""
    point, params = looped.points[0], looped.params(0, 0)
    learner = registry.load(registry.find("learner", "vae"))(**registry.options("learner", point))
    program = looped.program(0)
    settings = jax.tree.map(lambda a: a[0, 0], program.settings(0, 1))
    untrained = jax.jit(learner.init)(jax.random.key(0), settings, program.table)
    prepared = jax.jit(learner.prepare)(jax.random.key(1), settings, program.table)
    context = oj.base.Context(None, untrained, program.test, prepared)
    before = jax.jit(learner.measure)(settings, untrained, context)["test_elbo"]
    after = looped.metrics["test_elbo"].values[:, 0]
    assert (after > before + 20).all()
    assert params["vae"]["encoder"]["dense0"]["kernel"].shape == (784, 32)


def test_the_collapse_shows(looped):
    """Images grow alike and labels become fewer, in both chains."""
    entropy = looped.metrics["label_entropy_first"].values
    variance = looped.metrics["variance"].values
    assert (entropy[:, -1] < entropy[:, 0] - 0.2).all()
    assert (variance[:, -1] < 0.1 * variance[:, 0]).all()


def test_codes_narrow():
    """Trained well, each generation's images lie closer to the centre of generation 0's codes."""
    told = {
        "learner.points": "dataset", "learner.epochs": 60, "learner.learning_rate": 4e-3,
        "num_samples": 640, "chains": 1, "generations": 3, "metrics": ("latent_std",),
    }  # fmt: skip
    (std,) = go(config_of(**told)).metrics["latent_std"].values
    assert (np.diff(std) < 0).all() and std[-1] < 0.9 * std[0]


def test_what_a_run_says(looped):
    metrics = looped.metrics
    assert metrics["reconstruction"].dims == ("chain", "generation", "epoch")
    assert metrics["label_counts"].dims == ("chain", "generation", "class")
    assert metrics["classifier_accuracy_matrix"].dims == ("chain", "generation", "data_generation")
    diagonal = np.diagonal(metrics["classifier_accuracy_matrix"].values, axis1=1, axis2=2)
    np.testing.assert_array_equal(diagonal, 1)
    assert (metrics["label_counts"].sum("class") == 200).all()
    assert np.isnan(metrics["classifier_loss"].values[..., 2:]).all()
    assert np.isfinite(metrics["classifier_loss"].values[..., :2]).all()
    chains = metrics["test_elbo"].values
    assert (chains[0] != chains[1]).all()


def test_a_generations_images_carry_its_labels(looped):
    """What generation 1 was trained on are generation 0's draws, labelled by its classifier."""
    trained = looped.data(1, 0)
    assert trained["image"].shape == (192, 28, 28, 1)
    drawn = looped.sample(0, 0, 2000, seed=3)
    shares = [np.bincount(d["label"], minlength=10) / len(d["label"]) for d in (trained, drawn)]
    assert np.abs(shares[0] - shares[1]).max() < 4.5 * np.sqrt(0.25 / 192)
    real = looped.data(0, 0)
    table = {row.tobytes() for row in np.asarray(looped.program(0).real.table["image"])}
    assert all(row.tobytes() in table for row in real["image"])


def test_the_pictures(looped):
    """All of them can be drawn, the animation begins with real images."""
    drawn = {name: make() for name, make in figures_of(looped).items()}
    for name in ("samples", "followed", "labels", "matrices", "training", "final"):
        assert name in drawn
    frames = drawn["animation"]
    assert isinstance(frames, Animation) and len(frames.frames) == 1 + looped.generation + 1
    assert len({frame.tobytes() for frame in frames.frames}) == len(frames.frames)


def test_an_animation_is_a_gif(tmp_path):
    from PIL import Image

    frames = [np.full((8, 9, 3), 40 * i, np.uint8) for i in range(4)]
    (path,) = Animation(frames, 250, 0).save(tmp_path / "new", "loop")
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (4, (9, 8), 0)
        assert gif.info["duration"] == 250
    (path,) = Animation(frames, 250, 1).save(tmp_path, "once")
    with Image.open(path) as gif:
        assert "loop" not in gif.info


@pytest.mark.parametrize("step", [1, 4])
def test_a_cut_inside_a_fit_never_shows(step, tmp_path):
    """Stopped after an epoch, a stream of new images goes on with the same bits."""
    config = config_of(**{"chains": 1, "generations": 1})
    with interrupted_after(step):
        go(config, tmp_path / "run")
    resumed, whole = go(config, tmp_path / "run"), go(config)
    for name in whole.metrics.data_vars:
        np.testing.assert_array_equal(resumed.metrics[name], whole.metrics[name], err_msg=name)
    for a, b in zip(*(jax.tree.leaves(r.params(1)) for r in (resumed, whole)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("regime", "points", "overrides"),
    [
        ("accumulate", "dataset", {}),
        ("accumulate_subsample", "stream", {}),
        ("weighted", "dataset", {"regime.real_fraction": 0.5, "data.dtype": "uint8"}),
    ],
)
def test_regimes(regime, points, overrides):
    """Every way of holding points is trained on, and the chains stay whole."""
    overrides = {"learner.points": points, "chains": 1} | overrides
    run = go(config_of(regime, **overrides, **{"metrics": ("reconstruction", "variance")}))
    assert np.isfinite(run.metrics["reconstruction"].values).all()
    assert (run.metrics["status"].values == 0).all()
    num = {"accumulate": 3 * 192}.get(regime, 192)
    images = run.data(2, 0)["image"]
    assert len(images) == num
    assert images.dtype == (np.uint8 if "data.dtype" in overrides else np.float32)


def test_a_broken_chain_is_frozen_alone():
    """An absurd learning rate breaks one chain of a sweep, and its neighbour does not notice."""
    told = {"metrics": ("reconstruction", "variance"), "chains": 1, "generations": 1}
    alone = go(config_of(**told))
    both = go(config_of(**told, sweep={"learner.learning_rate": [2e-3, 1e30]}))
    assert both.metrics["status"].values[0].tolist() == [0, 0]
    assert both.metrics["status"].values[1, -1] == 2
    np.testing.assert_array_equal(both.metrics["variance"][0], alone.metrics["variance"][0])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"learner.layer_sizes": ()}, "is a network without layers: expected at least one"),
        (
            {"learner.network": "conv", "learner.layer_sizes": (4, 8, 16)},
            "halves an image 3 times, and 28 x 28 pixels cannot be",
        ),
        ({"num_samples": 0}, "num_samples=0 is out of range: expected a whole number of at least"),
        ({"learner.latent_dim": 0}, "learner.latent_dim=0 is out of range"),
        ({"metrics": ("label_counts",)}, "is of classifiers: add learner.classifier=True"),
        ({"regime.name": "weighted"}, "learner.points='stream' draws every epoch's images anew"),
        ({"data.name": "normal"}, "learner.name='vae' is fitted to images, and data.name='normal'"),
    ],
)
def test_what_does_not_fit_is_refused(overrides, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        go(config_of(**overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif("OUROBOROS_DATA" not in os.environ, reason="OUROBOROS_DATA names no folder")
def test_two_generations_on_mnist(tmp_path):
    """The default config on the real images, reduced: both generations beat a guess of grey, and
    the second has lost by learning from the first."""
    brief = {
        "data.dir": os.environ["OUROBOROS_DATA"], "data.num_test": 500, "num_samples": 2048,
        "learner.epochs": 1, "learner.num_scored": 300, "generations": 1,
        "learner.layer_sizes": (8, 16), "learner.batch_size": 32,
    }  # fmt: skip
    run = go(load_config("vae", brief), tmp_path / "run")
    assert run.manifest["data"]["name"] == "mnist" and "note" not in run.manifest["data"]
    first, second = run.metrics["test_elbo"].values[0]
    assert -784 * np.log(2) < second < first
    assert run.sample(1, 0, 5)["image"].shape == (5, 28, 28, 1)

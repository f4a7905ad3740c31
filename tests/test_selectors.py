"""Selectors against enumeration: curation's update, rejection's law, and whole runs."""

import itertools
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax import selectors
from ouroboros_jax.base import Settings
from ouroboros_jax.config import apply, flatten, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.settings.counts import most_pooled

pytestmark = pytest.mark.usefixtures("quick_compilation")

N = 200_000
LAW = np.array([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 1.0, 2.0])


def told(**values):
    selector = {name: jnp.float32(value) for name, value in values.items()}
    return Settings(None, None, None, {}, {}, {}, {}, selector)


def draw(key, num):
    return jax.random.choice(key, 3, (num,), p=jnp.asarray(LAW))


def reward(settings, data):
    return jnp.asarray(REWARD, jnp.float32)[data]


def frequencies(select, settings):
    chosen = jax.jit(lambda key: select(key, settings, draw, N))(jax.random.key(0))
    return np.bincount(np.asarray(chosen), minlength=3) / N


def z_scores(measured, expected):
    return (measured - expected) / np.sqrt(expected * (1 - expected) / N)


@pytest.mark.parametrize("choices", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 1.5])
def test_curation_follows_its_update(choices, strength):
    """p' by enumerating every K candidates and the softmax choice among them."""
    expected = np.zeros(3)
    for candidates in itertools.product(range(3), repeat=choices):
        weights = np.exp(strength * REWARD[list(candidates)])
        for candidate, share in zip(candidates, weights / weights.sum(), strict=True):
            expected[candidate] += share * np.prod(LAW[list(candidates)])
    select = selectors.curate(score=reward, choices=choices)
    z = z_scores(frequencies(select, told(strength=strength)), expected)
    assert np.abs(z).max() < 4.5
    if not strength:
        np.testing.assert_allclose(expected, LAW)


@pytest.mark.parametrize(("right", "wrong"), [(1.0, 0.5), (0.9, 0.0), (0.3, 0.3)])
def test_verification_keeps_by_its_probabilities(right, wrong):
    """The law of what is kept: p times the probability to keep, over its sum."""
    keep = np.where(REWARD > 0.5, right, wrong)
    select = selectors.verify(score=reward)
    settings = told(threshold=0.5, keep_right=right, keep_wrong=wrong)
    z = z_scores(frequencies(select, settings), np.maximum(LAW * keep / (LAW @ keep), 1e-12))
    assert np.abs(z).max() < 4.5


def test_a_feature_of_points_symbols_and_labelled_data():
    score = selectors.feature(1)
    np.testing.assert_array_equal(score(None, jnp.array([[1.0, 2.0], [3.0, 4.0]])), [2, 4])
    np.testing.assert_array_equal(score(None, jnp.array([0, 1, 2])), [0, 1, 0])
    labelled = {"image": jnp.zeros((3, 2, 2)), "label": jnp.array([1, 1, 0])}
    np.testing.assert_array_equal(score(None, labelled), [1, 1, 0])
    pairs = {"inputs": jnp.ones((3, 2)), "targets": jnp.array([0.5, -1.0, 2.0])}
    np.testing.assert_array_equal(selectors.feature()(None, pairs), [0.5, -1, 2])
    np.testing.assert_array_equal(selectors.closeness(None, jnp.array([[3.0, 4.0]])), [-25])


SMALL = {"chains": 8, "generations": 4, "num_samples": 50, "learner.draw": "auto"}


def run_of(**overrides):
    config = new_config(learner="gaussian", regime="replace", data="normal", **SMALL)
    return oj.run(apply(config, overrides), progress=False)


def test_curated_chains_climb_and_strengths_share_a_program():
    sweep = {"selector.strength": [0.0, 3.0]}
    run = run_of(**{"selector.name": "curate", "sweep": sweep})
    assert len(run.groups) == 1
    mean = run.metrics["mean"].squeeze("feature").groupby("selector.strength").mean("chain")
    assert abs(float(mean[0, -1])) < 0.5 < 1 < float(mean[1, -1])
    assert run.summary["headline"]
    assert run.sample(4, 0, 10).shape == (10, 1)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"selector.name": "curat"}, "did you mean 'curate'"),
        ({"selector.name": "curate", "learner.draw": "sufficient"}, "use learner.draw='auto'"),
        ({"selector.name": "curate", "selector.score": "beauty"}, "expected feature, closeness"),
        ({"selector.name": "verify", "selector.keep_right": 2}, r"in \[0, 1\]"),
        (
            {"selector.name": "verify", "selector.keep_right": 0, "selector.keep_wrong": 0},
            "keep no point",
        ),
        (
            {"selector.name": "verify", "selector.keep_right": [0, 0], "selector.keep_wrong": 0},
            r"keep_right=\(0.0, 0.0\) and selector.keep_wrong=0.0 keep no point",
        ),
        (
            {"selector.name": "curate", "selector.index": 5},
            "selector.index=5 is out of range: points have 1 features",
        ),
        ({"selector.strength": 1}, "not a setting of the selector 'none'"),
    ],
)
def test_bad_selectors_are_refused(overrides, words):
    with pytest.raises(UserError, match=words):
        run_of(**overrides)


@pytest.mark.parametrize("learner", ["linear", "logistic"])
def test_targets_are_what_is_chosen_among(learner):
    """Candidates share their inputs: a reward of those would choose none of them."""
    settings = {"num_samples": 400, "generations": 1, "chains": 2, "sweep": {
        "selector.strength": [0.0, 50.0]}}  # fmt: skip
    config = new_config(
        learner=f"{learner}_regression",
        regime="replace",
        data=learner,
        selector="curate",
        **settings,
    )
    run = oj.run(config, progress=False)
    means = [run.data(1, chain)["targets"].mean() for chain in (0, 2)]
    assert means[1] > means[0] + 0.1


def test_an_index_that_another_group_lacks_is_refused_before_a_file_is_written(tmp_path):
    config = new_config(
        learner="gaussian",
        regime="replace",
        data="normal",
        selector="curate",
        sweep={"selector.index": [0, 5]},
    )
    with pytest.raises(UserError, match=r"selector.index=5 is out of range"):
        oj.run(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_kept_draws_of_a_larger_pool_are_not_drawn_again():
    """Each is for one use: chosen among twice, a point would come up twice as often."""
    settings = {"num_samples": 50, "generations": 2, "learner.capacity": 1}
    names = {"learner": "kde", "regime": "accumulate", "data": "normal", "selector": "curate"}
    with pytest.raises(UserError, match=r"pools of up to 100 learner.capacity=1 keeps 50 .* to 2"):
        oj.run(new_config(**names, **settings), progress=False)
    enough = {**settings, "learner.capacity": 2}
    assert oj.run(new_config(**names, **enough), progress=False).generation == 2
    shrinking = {"num_samples": "linear(100, -9)", "generations": 10, "learner.capacity": 6}
    assert most_pooled(flatten(new_config(**names, **shrinking)), 9) == 595


def test_a_selector_of_ones_own_sees_as_many_points_as_a_run_draws(monkeypatch):
    module = types.ModuleType("own_selector")

    def best(*, share=0.5):
        def select(key, settings, draw, num):
            points = draw(key, 2 * num)
            return points[jax.lax.top_k(points[:, 0], num)[1]]

        return select

    def broken():
        return lambda key, settings, draw, num: draw(key, num)[num + 1000].missing

    module.best, module.broken = best, broken
    monkeypatch.setitem(sys.modules, "own_selector", module)
    settings = {"learner": "gaussian", "regime": "replace", "data": "normal"}
    small = {"num_samples": 20, "generations": 1}
    run = oj.run(new_config(**settings, selector="own_selector:best", **small), progress=False)
    assert run.data(1, 0).mean() > 0.3
    with pytest.raises(UserError, match=r"selector.name='own_selector:broken' failed"):
        oj.run(new_config(**settings, selector="own_selector:broken", **small), progress=False)


def test_symbols_that_there_are_not():
    config = new_config(
        learner="categorical", regime="replace", data="zipf", selector="curate",
        **{"data.num_symbols": 7, "selector.index": 7},
    )  # fmt: skip
    with pytest.raises(UserError, match=r"selector.index=7 is out of range: zipf has 7 symbols"):
        oj.run(config, progress=False)

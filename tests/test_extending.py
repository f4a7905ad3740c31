"""The code in docs/extending.md runs, and its chain follows the law that it should."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from scipy.special import digamma, polygamma

import ouroboros_jax as oj
from ouroboros_jax.base import Context, Settings
from ouroboros_jax.chain import Chain
from ouroboros_jax.config import apply, load_config, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.keys import chain_key
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.pools.rows import rows
from ouroboros_jax.registry import find, load, options

pytestmark = pytest.mark.usefixtures("quick_compilation")

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
N = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's files, written where Python looks for them."""
    folder = tmp_path_factory.mktemp("page")
    module, config, score, trial = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / "waiting.py").write_text(module)
    (folder / "waiting_config.py").write_text(config)
    (folder / "mine.py").write_text(score)
    (folder / "trial.py").write_text(trial)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


def log_means(point, regime, generations, chains=4000):
    """log mean of every chain and generation, [generations + 1, chains]."""
    named = {"learner": point["learner.name"], "regime": regime, "data": point["data.name"]}
    point = point | {"regime.name": regime, "regime.every": 3}
    learner, regime, real = (
        load(find(section, name))(**options(section, point)) for section, name in named.items()
    )
    chain = Chain(learner, regime, rows(learner, regime, real))
    capacity = Capacity(N, N, N)
    num = jnp.int32(N)
    traced = {"prior_points": jnp.float32(0)}
    settings = Settings(num, jnp.int32(0), num, traced, {}, {"bias": jnp.float32(1)}, {})

    @jax.jit
    @jax.vmap
    def run(replicate):
        key = chain_key(jnp.uint32(0), replicate)
        given = Given(key, settings, None, capacity)
        first, _ = chain.init(given)
        context = Context(None, first.params, None)

        def step(state, _):
            state, metrics = chain.step(given, state, context)
            return state, (state.params.log_mean, metrics["variance"])

        _, (later, variance) = jax.lax.scan(step, first, None, generations)
        return jnp.concatenate([first.params.log_mean[None], later]), variance

    means, variance = run(jnp.arange(chains, dtype=jnp.uint32))
    np.testing.assert_allclose(variance, np.exp(2 * means[:, 1:]), rtol=1e-4)
    return np.asarray(means, float).T


def z(values, expected):
    return (values.mean() - expected) / (values.std() / np.sqrt(len(values)))


def test_the_page_follows_the_law_of_the_exponential(folder):
    """A fit to n points multiplies the mean by Gamma(n) / n, whose log has mean psi(n) - ln n."""
    config = load_config(str(folder / "waiting_config.py"))
    point = {f"{s}.{key}": v for s in ("learner", "data") for key, v in config[s].items()}
    drift, spread = digamma(N) - np.log(N), polygamma(1, N)

    replaced = log_means(point, "replace", 6)
    for g in range(7):
        assert abs(z(replaced[g], np.log(3) + (g + 1) * drift)) < 4.5
    assert abs(replaced[6].var() / (7 * spread) - 1) < 4.5 * np.sqrt(2 / 4000)

    rehearsed = log_means(point, "waiting:rehearse", 6)
    for g, age in enumerate([1, 2, 3, 1, 2, 3, 1]):
        assert abs(z(rehearsed[g], np.log(3) + age * drift)) < 4.5
    assert abs(np.corrcoef(rehearsed[0], rehearsed[3])[0, 1]) < 4.5 / np.sqrt(4000)


def test_the_page_config_has_the_settings_that_the_page_names(folder):
    config = load_config(str(folder / "waiting_config.py"), {"regime.every": 10})
    assert (config.learner.prior_mean, config.learner.prior_points) == (1.0, 0.0)
    assert (config.regime.every, config.data.mean) == (10, 3.0)
    point = {"learner.name": "waiting:exponential", "learner.prior_mean": 2.0}
    assert options("learner", point) == {"prior_mean": 2.0}, "traced ones reach the settings alone"


@pytest.mark.parametrize(
    ("regime", "sentence"),
    [
        ("toys:greedy", r"'toys:greedy' counts \[9, 9\] points at generation 1: expected counts"),
        ("toys:careless", r"'toys:careless' failed: line \d+: ZeroDivisionError"),
    ],
)
def test_a_regime_of_ones_own_must_count_what_it_says(regime, sentence, tmp_path):
    config = new_config(learner="gaussian", regime=regime, data="normal", num_samples=9)
    with pytest.raises(UserError, match=sentence):
        oj.run(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


MISTAKES = [
    ({"regime": "toys:keeper"}, "kept='windows': expected 'nothing', .*; did you mean 'window'"),
    ({"learner": "toys:flat"}, r"toys:flat' samples 9 points as arrays of shape \(9,\): expected"),
    (
        {"data": "toys:unlike"},
        r"'toys:unlike' draws 2 points as arrays of shape \(2, 3\): expected",
    ),
    ({"data": "toys:undrawn"}, r"'toys:undrawn' failed: line \d+: ZeroDivisionError"),
    *(
        (
            {"learner": "toys:failing", "learner.where": where},
            rf"'toys:failing' failed: line \d+: RuntimeError: no {where}$",
        )
        for where in toys.PLACES
    ),
]


@pytest.mark.parametrize(("settings", "sentence"), MISTAKES)
def test_mistakes_of_ones_own_are_told_in_a_sentence(settings, sentence, tmp_path):
    names = {"learner": "gaussian", "regime": "replace", "data": "normal", "num_samples": 9}
    with pytest.raises(UserError, match=sentence):
        oj.run(new_config(**names | settings), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_mistakes_further_on_in_a_sweep_are_told_before_it_runs(tmp_path):
    names = {"learner": "gaussian", "regime": "replace", "data": "normal", "num_samples": 9}
    config = new_config(**names, sweep={"learner.name": ("gaussian", "toys:flat")})
    with pytest.raises(UserError, match="'toys:flat' samples 9 points"):
        oj.run(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("learner", ["gaussian", "gmm"])
def test_rows_of_integers_are_points(learner):
    small = {"num_samples": 9, "generations": 1, "chains": 2}
    data = "toys:whole_numbers"
    config = new_config(learner=learner, regime="accumulate_subsample", data=data, **small)
    run = oj.run(config, progress=False)
    assert np.isfinite(run.metrics["variance"]).all()


def test_the_page_draws_without_a_run(folder):
    scope = {}
    exec((folder / "trial.py").read_text(), scope)
    points = np.asarray(scope["points"])[:, 0]
    assert points.shape == (1000,)
    assert abs(z(points, 5.0)) < 4.5


def test_the_page_scores_points(folder):
    """Its reward is the highest at 1, and curation by it goes there."""
    curated = {"selector.name": "curate", "selector.score": "mine:reward"}
    curated |= {"selector.strength": 5.0, "chains": 4, "num_samples": 50, "learner.draw": "auto"}
    config = new_config(learner="gaussian", regime="replace", data="normal")
    run = oj.run(apply(config, curated | {"generations": 4}), progress=False)
    np.testing.assert_allclose(run.metrics["mean"][:, -1], 1, atol=0.3)

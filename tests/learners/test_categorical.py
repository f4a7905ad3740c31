"""The categorical loop against its laws in every regime, by counts and by points alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loops import LIMIT
from scanned import scan
from scipy import stats

import ouroboros_jax as oj
from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.config import load_config, new_config
from ouroboros_jax.data.symbols import SymbolLaw
from ouroboros_jax.draws import counts
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners import categorical as module
from ouroboros_jax.learners.categorical import Categorical, Counts, categorical
from ouroboros_jax.metrics.names.symbols import OF_SYMBOLS
from ouroboros_jax.samplers import tempered
from ouroboros_jax.theory import heat_death

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def few_draws(monkeypatch):
    """Leaves out the route of many draws a symbol: it compiles long, and these runs take it not."""
    monkeypatch.setattr(module, "multinomial", counts._one_by_one)


P = (0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.02)
BASE = {
    "chains": 3000,
    "generations": 4,
    "num_samples": 20,
    "data__probabilities": P,
    "data__num_samples": 26,
    "metrics": ("heterozygosity", "rare_mass", "surviving", "surviving_mass", "rare_surviving"),
}
SURVIVAL = {"surviving", "surviving_mass", "rare_surviving"}
REGIMES = {
    "replace": SURVIVAL,
    "accumulate": SURVIVAL,
    "accumulate_fresh": SURVIVAL,
    "accumulate_subsample": set(),
    "window": set(),
    "fresh": SURVIVAL,
    "fixed_real": SURVIVAL,
    "weighted": set(),
}
SHARE = {"regime__real_fraction": 0.3}
SETTINGS = {
    "accumulate_fresh": SHARE,
    "fresh": SHARE,
    "weighted": SHARE | {"regime__real_weight": 0.55},
    "window": {"regime__window": 2},
}


def held(cell, metrics):
    """Whether all laws hold, each at every generation."""
    assert set(cell.laws) >= metrics | {"heterozygosity", "rare_mass"}
    for metric in cell.laws:
        if metric in cell.metrics:
            assert np.abs(cell.z(metric)).max() < LIMIT, metric


@pytest.mark.parametrize("regime", REGIMES)
def test_the_loop_follows_its_laws(regime, few_draws):
    cell = scan("categorical", regime, "symbols", **BASE | SETTINGS.get(regime, {}), seed=1)
    held(cell, REGIMES[regime])
    assert cell.notices("heterozygosity", 1 if regime == "replace" else 2) or regime in (
        *("fixed_real", "accumulate_fresh", "fresh", "weighted"),
    )


@pytest.mark.parametrize("regime", ["replace", "weighted"])
def test_points_follow_the_same_laws(regime):
    settings = BASE | SETTINGS.get(regime, {}) | {"learner__draw": "samples"}
    cell = scan("categorical", regime, "symbols", **settings, seed=2)
    held(cell, REGIMES[regime])


def test_counts_and_points_agree_in_law(few_draws):
    """Distributions of the whole path's metrics, not only means."""
    cells = [
        scan("categorical", "replace", "symbols", **BASE | {"learner__draw": draw}, seed=s)
        for s, draw in enumerate(("sufficient", "samples"))
    ]
    for metric in ("surviving", "heterozygosity", "rare_mass"):
        counts, points = (np.round(cell.metrics[metric][:, 3], 5) for cell in cells)
        values = np.unique(np.concatenate([counts, points]))
        table = np.array([[(a == v).sum() for v in values] for a in (counts, points)])
        few = table.sum(0) < 20
        table = np.column_stack([table[:, ~few], table[:, few].sum(1)])
        assert stats.chi2_contingency(table[:, table.sum(0) > 0]).pvalue > 1e-5, metric
    late = cells[0].metrics["surviving"][:, 4]
    assert stats.ks_2samp(cells[1].metrics["surviving"][:, 0], late).pvalue < 1e-5, "no power"


def test_two_symbols_to_fixation():
    """Many points of few symbols are drawn another way; entropy, divergence, fixation."""
    metrics = ("heterozygosity", "entropy", "kl_to_truth", "is_fixated", "surviving")
    cell = scan(
        *("categorical", "replace", "bernoulli"),
        **{"chains": 4000, "generations": 12, "num_samples": 30, "metrics": metrics},
        data__p=0.3,
    )
    assert set(metrics) <= set(cell.laws)
    assert 30 > 12 * 2  # so that counts are Poisson draws
    for metric in metrics:
        law, values = cell.laws[metric], cell.metrics[metric]
        for g in (1, 5, 12):
            spread = values[:, g].std() / np.sqrt(len(values))
            assert abs(values[:, g].mean() - law.expected[g]) < LIMIT * max(spread, 1e-4), metric
    assert cell.notices("heterozygosity")
    status = cell.metrics["status"]
    np.testing.assert_array_equal(status == 1, cell.metrics["is_fixated"] == 1)
    assert 0.05 < status[:, -1].mean() < 0.5


def test_temperature_sharpens(monkeypatch):
    """With endlessly many points the loop is the deterministic map p^(1/T)."""

    def expected_counts(key, p, num):
        return jnp.round(p * num).astype(jnp.int32)

    monkeypatch.setattr(module, "multinomial", expected_counts)
    cell = scan(
        "categorical", "replace", "symbols", generations=3, num_samples=10**9,
        sampler__temperature=0.7, data__probabilities=(0.4, 0.35, 0.25),
        metrics=("heterozygosity",),
    )  # fmt: skip
    start = np.array([0.4, 0.35, 0.25])  # the truth itself is not sharpened
    path = heat_death.sharpened(np.arange(4), start, 0.7)
    found = cell.metrics["heterozygosity"][0]
    np.testing.assert_allclose(found, 1 - np.square(path).sum(1), rtol=1e-5)
    assert np.ptp(found) > 0.05
    assert cell.laws == {}


def settings(smoothing=0.0, temperature=1.0):
    count = jnp.int32(10)
    sampler = {"temperature": jnp.float32(temperature)}
    return Settings(count, count, count, {"smoothing": jnp.float32(smoothing)}, {}, sampler, {})


def fit(learner, pool, smoothing=0.0):
    start = learner.init(jax.random.key(0), settings(), None)
    return learner.fit_step(None, settings(smoothing), start, pool)[0].probabilities


def test_fits_by_hand():
    """Counts of two weighted sources, the same as points, with pseudo-counts."""
    table = jnp.asarray([[3, 1, 0], [0, 1, 1]])
    by_counts = Pool(Counts(table), jnp.ones(2), jnp.arange(2), jnp.asarray([0.7, 0.3]))
    points = jnp.asarray([0, 0, 0, 1, 1, 2, 2])
    weights = jnp.asarray([0.7 / 4] * 4 + [0.3 / 2] * 2 + [0.0])  # the last slot is empty
    group = jnp.asarray([0, 0, 0, 0, 1, 1, 1])
    by_points = Pool(points, weights, group, jnp.asarray([0.7, 0.3]))
    expected = np.array([0.525, 0.7 / 4 + 0.15, 0.15])
    for draw, pool in (("sufficient", by_counts), ("samples", by_points)):
        learner = categorical(num_symbols=3, draw=draw)
        np.testing.assert_allclose(fit(learner, pool), expected, rtol=1e-6)
        smoothed = (6 * expected + 0.5) / (6 + 1.5)
        np.testing.assert_allclose(fit(learner, pool, 0.5), smoothed, rtol=1e-6)


def test_metrics_by_hand():
    p, truth = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.4, 0.5, 0.06, 0.04])
    law = SymbolLaw(jnp.asarray(truth), jnp.asarray(truth < 0.1))
    reference = Categorical(jnp.asarray([0.4, 0.3, 0.3, 0.0]))
    context = Context(law, reference, jnp.asarray([0, 1, 1]))
    found = module.symbol_metrics(jnp.asarray(p), context, OF_SYMBOLS)
    expected = {
        "surviving": 2,
        "heterozygosity": 0.5,
        "entropy": np.log(2),
        "surviving_share": 2 / 3,
        "surviving_mass": 0.9,
        "rare_mass": 0.0,
        "rare_surviving": 0,
        "total_variation": 0.1,
        "kl_to_truth": stats.entropy(p, truth),
        "max_probability": 0.5,
        "is_fixated": False,
        "test_log_likelihood": np.log(0.5),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), abs=1e-6), name
    lost = module.symbol_metrics(
        jnp.asarray(p), context._replace(test=jnp.asarray([2])), OF_SYMBOLS
    )
    assert float(lost["test_log_likelihood"]) == -np.inf
    unknown = module.symbol_metrics(jnp.asarray(p), Context(None, None, None), OF_SYMBOLS)
    assert np.isnan([float(unknown[k]) for k in ("rare_mass", "surviving_share")]).all()


def test_tempered():
    p = jnp.asarray([0.6, 0.4, 0.0])
    np.testing.assert_allclose(tempered(p, 1.0), p, rtol=1e-6)
    np.testing.assert_allclose(tempered(p, 0.5), np.array([0.36, 0.16, 0]) / 0.52, rtol=1e-6)
    np.testing.assert_allclose(tempered(p, 1e-3), [1, 0, 0])
    np.testing.assert_allclose(tempered(p, 1e6), [0.5, 0.5, 0], rtol=1e-5)


def test_training_sets_have_the_counts_that_were_fitted(few_draws):
    config = new_config(
        learner="categorical", regime="accumulate", data="symbols", generations=2,
        num_samples=15, chains=2, **{"data.probabilities": P},
    )  # fmt: skip
    run = oj.run(config, progress=False)
    points = run.data(generation=2, chain=1)
    assert points.shape == (45,)
    shares = np.bincount(points, minlength=len(P)) / 45
    fitted = run.params(generation=2, chain=1)["probabilities"]
    np.testing.assert_allclose(shares, fitted, rtol=1e-6)
    assert run.sample(generation=2, chain=0, num_samples=5, seed=0).dtype == np.int32


BAD = {
    "sums to 0.9": {"data.probabilities": (0.5, 0.4)},
    "no support": {"data.probabilities": (0.0, 0.0)},
    "at least 2": {"data.probabilities": (1.0,)},
    "in [0, 1]": {"data.probabilities": (1.5, -0.5)},
    "sampler.temperature=0.0 is out of range": {"sampler.temperature": 0.0},
    "sampler.temperature=-1.0 is out of range": {"sampler.temperature": -1.0},
    "learner.smoothing=-0.1 is out of range": {"learner.smoothing": -0.1},
    "use learner.draw='auto'": {
        "learner.draw": "sufficient",
        "regime.name": "accumulate_subsample",
    },
    "more than 2,147,483,647": {"num_samples": 2**30, "regime.name": "accumulate"},
    "is fitted to symbols, and data.name='normal'": {"data.name": "normal"},
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_sentence(words):
    with pytest.raises(UserError) as error:
        oj.load_config("categorical", {"data.name": "symbols"} | BAD[words])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("variant", ["", ":unigram", ":cardinality"])
def test_configs_run_at_toy_size(variant, few_draws):
    small = {"chains": 3, "generations": 1, "num_samples": 40, "sweep": {}}
    if variant == ":unigram":
        small |= {"data.num_words": 400}
    run = oj.run(load_config(f"categorical{variant}", small), progress=False)
    assert np.isfinite(run.metrics["surviving"].values).all()
    assert (run.metrics["status"].values >= 0).all()


@pytest.mark.parametrize("variant", [":suresh_zipf", ":bernoulli", ":wikitext"])
def test_other_configs_are_whole(variant):
    assert load_config(f"categorical{variant}").learner.name == "categorical"

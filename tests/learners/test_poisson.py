"""The Poisson loop against its laws: survival, variance, the rate that stays on average."""

import jax.numpy as jnp
import numpy as np
import pytest
from loops import LIMIT
from scanned import scan
from scipy import stats

import ouroboros_jax as oj
from ouroboros_jax.base import Context, Pool
from ouroboros_jax.config import new_config
from ouroboros_jax.data.symbols import Rate
from ouroboros_jax.learners.poisson import Poisson, Total, poisson, rate_metrics
from ouroboros_jax.theory import poisson as theory
from ouroboros_jax.theory import z_score

pytestmark = pytest.mark.usefixtures("quick_compilation")

BASE = {"chains": 20_000, "generations": 6, "num_samples": 8, "data__rate": 0.7}
ALL = {"is_alive", "rate", "mean_squared_error"}
REGIMES = {
    "replace": ALL,
    "accumulate": ALL,
    "accumulate_fresh": ALL,
    "accumulate_subsample": {"rate"},
    "window": {"rate", "mean_squared_error"},
    "fresh": ALL,
    "fixed_real": ALL,
    "weighted": {"rate", "mean_squared_error"},
}
FRACTION = {"regime__real_fraction": 0.25}
SETTINGS = {
    "accumulate_fresh": FRACTION,
    "fresh": FRACTION,
    "weighted": FRACTION | {"regime__real_weight": 0.4},
    "window": {"regime__window": 2},
    "accumulate_subsample": {"chains": 2000},
}


@pytest.mark.parametrize("regime", REGIMES)
def test_the_loop_follows_its_laws(regime):
    cell = scan("poisson", regime, "counts", **BASE | SETTINGS.get(regime, {}))
    assert set(cell.laws) == REGIMES[regime]
    for metric in cell.laws:
        for g in range(BASE["generations"] + 1):
            values, law = cell.metrics[metric][:, g], cell.laws[metric]
            error = max(values.std() / np.sqrt(len(values)), 1e-4)
            assert abs(values.mean() - law.expected[g]) < LIMIT * error, (metric, g)
    if "mean_squared_error" in cell.laws and regime not in ("fixed_real", "accumulate_fresh"):
        assert cell.notices("mean_squared_error", 2)


def test_totals_and_counts_agree_in_law():
    one, two = (
        scan("poisson", "replace", "counts", **BASE | {"learner__draw": draw, "chains": 4000})
        for draw in ("sufficient", "samples")
    )
    for g in (0, 3, 6):
        totals = [np.rint(8 * cell.metrics["rate"][:, g]).astype(int) for cell in (one, two)]
        values = np.arange(max(t.max() for t in totals) + 1)
        table = np.array([(t[:, None] >= values[None]).sum(0) for t in totals])
        counts = -np.diff(np.column_stack([table, np.zeros(2, int)]), axis=1)
        rare = counts.sum(0) < 20
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(1)])
        assert stats.chi2_contingency(counts[:, counts.sum(0) > 0]).pvalue > 1e-5


def test_survival_is_suresh_theorem_2():
    cell = scan("poisson", "replace", "counts", chains=20_000, generations=9, num_samples=10)
    rates = theory.survival_rate(np.arange(10))
    np.testing.assert_allclose(cell.laws["is_alive"].expected, 1 - np.exp(-10 * rates))
    assert cell.laws["is_alive"].expected[9] == pytest.approx(0.8214, abs=1e-4)
    alive = cell.metrics["is_alive"]
    assert (np.diff(alive, axis=1) <= 0).all(), "none comes back"
    np.testing.assert_array_equal(alive == 0, cell.metrics["status"] == 1)
    for g in (3, 6, 9):
        score = z_score(cell.laws["is_alive"], alive, g)
        assert abs(score.z) < LIMIT and score.valid
        late = cell.laws["is_alive"].expected[g - 1]
        assert abs(alive[:, g].mean() - late) > LIMIT * score.standard_error, "no power"


def test_fits_and_metrics_by_hand():
    pooled = Total(jnp.asarray([4, 2]), jnp.asarray([6, 5]))
    pool = Pool(pooled, jnp.ones(2), jnp.arange(2), jnp.asarray([0.5, 0.5]))
    learner = poisson()
    found = learner.fit_step(None, None, Poisson(jnp.ones(())), pool)[0].rate
    assert float(found) == pytest.approx(0.5 * 1.5 + 0.5 * 2.5)
    by_points = Pool(
        jnp.asarray([1, 2, 9]), jnp.asarray([1.0, 1.0, 0.0]), jnp.zeros(3, int), jnp.full(1, 2.0)
    )
    learner = poisson(draw="samples")
    assert float(learner.fit_step(None, None, Poisson(jnp.ones(())), by_points)[0].rate) == 1.5
    names = ("rate", "is_alive", "mean_squared_error", "test_log_likelihood")
    test = np.array([0, 3, 1])
    context = Context(Rate(jnp.asarray(2.0)), None, jnp.asarray(test))
    values = rate_metrics(jnp.asarray(1.5), context, names)
    assert float(values["mean_squared_error"]) == 0.25
    expected = stats.poisson.logpmf(test, 1.5).mean()
    assert float(values["test_log_likelihood"]) == pytest.approx(expected, rel=1e-5)
    dead = rate_metrics(jnp.asarray(0.0), context, names)
    assert float(dead["test_log_likelihood"]) == -np.inf and not dead["is_alive"]


def test_training_sets_have_the_totals_that_were_fitted():
    config = new_config(
        learner="poisson", regime="accumulate", data="counts", generations=2, num_samples=9
    )
    run = oj.run(config, progress=False)
    points = run.data(generation=2, chain=0)
    assert points.shape == (27,)
    assert points.mean() == pytest.approx(
        float(run.params(generation=2, chain=0)["rate"]), rel=1e-6
    )


def test_the_config_runs_at_toy_size():
    run = oj.run(oj.load_config("poisson", {"chains": 3, "generations": 2}), progress=False)
    assert np.isfinite(run.metrics["rate"].values).all()

"""Regressions against NumPy and scikit-learn, and their loops against their laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loops import LIMIT, simulate
from sklearn.linear_model import LinearRegression, LogisticRegression

import ouroboros_jax as oj
from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.data.regression import Coefficients, breast_cancer
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners.linear_regression import least_squares, linear_regression
from ouroboros_jax.learners.logistic_regression import log_loss, logistic_regression
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import laws

pytestmark = pytest.mark.usefixtures("quick_compilation")
LEAST = jax.jit(least_squares, static_argnames="intercept")


def problem(rows, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, d)) * np.linspace(1, 5, d) + 1
    return x, x @ rng.standard_normal(d) + 2 + rng.standard_normal(rows)


def padded(x, y, weights=None):
    """A pool with two empty slots that hold rubbish."""
    weights = np.append(np.ones(len(x)) if weights is None else weights, [0, 0])
    data = {
        "inputs": np.concatenate([x, np.full((2, x.shape[1]), 1e3)]),
        "targets": np.append(y, [-7, 9]),
    }
    data = jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(float)), data)
    weights = jnp.asarray(weights, jnp.result_type(float))
    return Pool(data, weights, jnp.zeros(len(weights), jnp.int32), weights.sum(keepdims=True))


def settings(learner=None, data=None):
    count = jnp.int32(10)
    wrap = {k: jnp.asarray(v, jnp.result_type(float)) for k, v in (learner or {}).items()}
    return Settings(count, count, count, wrap, {}, {}, data or {})


def fit(learner, pool, given):
    state = learner.init(jax.random.key(0), given, pool.data)
    state = learner.fit_begin(jax.random.key(0), given, state, pool)
    state, _ = learner.fit_step(jax.random.key(1), given, state, pool)
    return learner.fit_end(state)


# Least squares


@pytest.mark.parametrize(("rows", "d"), [(20, 5), (7, 5), (5, 5), (4, 5), (1, 3), (200, 1)])
def test_least_squares_are_numpys(rows, d):
    """With fewer rows than features too, where the shortest of the exact answers is meant."""
    x, y = problem(rows, d)
    with jax.enable_x64(True):
        found = LEAST(jnp.asarray(x), jnp.asarray(y), jnp.ones(rows))
        expected = np.linalg.pinv(x) @ y
        np.testing.assert_allclose(found.coefficients, expected, rtol=1e-8)
        np.testing.assert_allclose(found.residual, np.square(y - x @ expected).sum(), atol=1e-9)
    found = LEAST(*(jnp.asarray(a, jnp.float32) for a in (x, y, np.ones(rows))))
    tolerance = 1e-5 * np.linalg.cond(x)
    np.testing.assert_allclose(found.coefficients, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("intercept", [False, True])
def test_weighted_least_squares_are_scikit_learns(intercept):
    x, y = problem(30, 4)
    weights = np.random.default_rng(1).random(30)
    learner = linear_regression(intercept=intercept, noise="fitted")
    params, _ = fit(learner, padded(x, y, weights), settings())
    peer = LinearRegression(fit_intercept=intercept).fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(params.coefficients, peer.coef_, rtol=1e-3)
    np.testing.assert_allclose(params.intercept, peer.intercept_, rtol=1e-3)


@pytest.mark.parametrize("intercept", [False, True])
def test_the_fitted_noise_is_unbiased(intercept):
    x, y = problem(30, 4)
    learner = linear_regression(intercept=intercept, noise="fitted")
    params, _ = fit(learner, padded(x, y), settings())
    peer = LinearRegression(fit_intercept=intercept).fit(x, y)
    variance = np.square(y - peer.predict(x)).sum() / (30 - 4 - intercept)
    assert float(jnp.exp(2 * params.log_noise)) == pytest.approx(variance, rel=1e-4)
    few, _ = fit(learner, padded(*problem(4, 4)), settings())
    assert few.log_noise == -np.inf  # nothing is left over to say what the noise is


def test_metrics_of_a_linear_model():
    learner = linear_regression()
    x, y = problem(30, 4)
    params, _ = fit(learner, padded(x, y), settings(data={"noise": 0.5}))
    truth = Coefficients(jnp.ones(4), jnp.float32(2))
    test = {"inputs": jnp.asarray(x, jnp.float32), "targets": jnp.asarray(y, jnp.float32)}
    found = learner.measure(settings(), params, Context(truth, params, test))
    w = np.float64(params.coefficients)
    assert found["excess_error"] == pytest.approx(np.square(w - 1).sum() + 4, rel=1e-5)
    assert found["test_mse"] == pytest.approx(np.square(y - x @ w).mean(), rel=1e-4)
    assert found["coefficient_norm"] == pytest.approx(np.linalg.norm(w), rel=1e-6)
    assert found["noise"] == pytest.approx(0.5)
    found = learner.measure(settings(), params, Context(None, params, None))
    assert np.isnan(found["excess_error"]) and np.isnan(found["test_mse"])


# The loop


def test_inputs_are_the_same_for_ever_or_fresh():
    """Row i of every generation's new points has the inputs of the real row i, or new ones."""
    for inputs in ("same", "fresh"):
        config = new_config(
            learner="linear_regression", regime="accumulate", data="linear", num_samples=12,
            generations=2, **{"learner.inputs": inputs, "data.num_test": 0},
        )  # fmt: skip
        run = oj.run(config, progress=False)
        first, last = (run.data(generation=g, chain=0) for g in (0, 2))
        sets = last["inputs"].reshape(3, 12, 5)
        np.testing.assert_array_equal(sets[0], first["inputs"])
        for drawn in sets[1:]:
            # To the last bit but one: compiled without optimisation, programs round otherwise.
            assert np.allclose(drawn, sets[0], rtol=1e-6) == (inputs == "same")
        if inputs == "fresh":
            assert not np.isin(sets[2], sets[1]).any()
        targets = last["targets"].reshape(3, 12)
        assert not np.isin(targets[1:], targets[0]).any()


LOOPS = {
    "replace": {},
    "replace, fresh": {"learner__inputs": "fresh"},
    "replace, fitted": {"learner__noise": "fitted"},
    "accumulate": {},
    "fixed_real": {},
}


@pytest.mark.parametrize("case", LOOPS)
def test_the_loop_follows_its_law(case):
    """And a law of one generation more is noticed, where it is another."""
    (cell,) = simulate(
        *("linear_regression", case.partition(",")[0], "linear"),
        num_samples=15, chains=4000, generations=3, data__num_features=3, data__noise=2.0,
        data__num_test=10, **LOOPS[case],
    )  # fmt: skip
    for metric in ("excess_error", "test_mse"):
        assert np.abs(cell.z(metric)).max() < LIMIT, metric
    assert cell.notices("excess_error")


def laws_of(regime, **change):
    point = flatten(new_config(learner="linear_regression", regime=regime, data="linear", **change))
    return laws(point, np.arange(3))


def test_no_law_where_a_premise_fails():
    assert set(laws_of("replace")) == {"excess_error", "test_mse"}
    assert set(laws_of("replace", **{"data.num_test": 0})) == {"excess_error"}
    for change in (
        {"learner.intercept": True},
        {"data.num_samples": 20},
        {"num_samples": 6},
        {"num_samples": (20, 10)},
        {"data.noise": 0.0},
    ):
        assert not laws_of("replace", **change), change
    assert not laws_of("accumulate", **{"learner.inputs": "fresh"})
    assert not laws_of("accumulate", **{"learner.noise": "fitted"})
    assert not laws_of("accumulate_subsample")


# Logistic regression


def classes(rows, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, d))
    return x, (rng.random(rows) < 1 / (1 + np.exp(-x @ rng.standard_normal(d) - 0.5))) * 1.0


OPTIONS = {"ridge": 0.7, "tol": 1e-9, "max_iter": 50}


@pytest.mark.parametrize("intercept", [False, True])
def test_logistic_fits_are_scikit_learns(intercept):
    x, y = classes(60, 4)
    weights = np.random.default_rng(1).random(60)
    peer = LogisticRegression(C=1 / 0.7, fit_intercept=intercept, tol=1e-12, max_iter=10_000)
    peer.fit(x, y, sample_weight=weights)
    learner = logistic_regression(intercept=intercept)
    params, info = jax.jit(lambda p: fit(learner, p, settings(OPTIONS)))(padded(x, y, weights))
    np.testing.assert_allclose(params.coefficients, peer.coef_[0], rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(params.intercept, np.ravel(peer.intercept_)[0], atol=2e-4)
    assert 2 <= info["newton_steps"] < 15


def test_classes_that_can_be_told_apart():
    """Without a ridge there is no answer: coefficients grow, nothing breaks."""
    x = np.linspace(-1, 1, 10)[:, None]
    pool = padded(x, (x[:, 0] > 0) * 1.0)
    norms = []
    for ridge in (1.0, 1e-3, 0.0):
        given = settings(OPTIONS | {"ridge": ridge, "tol": 0.0, "max_iter": 12})
        params, _ = fit(logistic_regression(), pool, given)
        norms.append(float(params.coefficients[0]))
    assert np.isfinite(norms).all() and norms[0] < norms[1] < norms[2]


def test_newton_from_far_away():
    """From coefficients at which curvature has vanished, steps are halved until they help."""
    x, y = classes(200, 3)
    learner, given = logistic_regression(), settings(OPTIONS)
    pool = padded(x, y)
    begun = learner.init(jax.random.key(0), given, pool.data)
    near, _ = fit(learner, pool, given)
    far = learner.fit_begin(None, given, begun._replace(coefficients=jnp.full(3, 8.0)), pool)
    found = learner.fit_step(None, given, far, pool)[0].params
    np.testing.assert_allclose(found.coefficients, near.coefficients, rtol=1e-3)


def test_metrics_of_a_logistic_model():
    x, y = classes(300, 3)
    learner = logistic_regression(intercept=True)
    params, _ = fit(learner, padded(x, y), settings(OPTIONS))
    test = {"inputs": jnp.asarray(x, jnp.float32), "targets": jnp.asarray(y, jnp.float32)}
    truth = Coefficients(jnp.zeros(3), jnp.zeros(()))
    found = learner.measure(settings(OPTIONS), params, Context(truth, params, test))
    logits = x @ np.float64(params.coefficients) + float(params.intercept)
    chance = 1 / (1 + np.exp(-logits))
    assert found["accuracy"] == pytest.approx(((logits > 0) == (y > 0)).mean())
    loss = -np.log(np.where(y > 0, chance, 1 - chance)).mean()
    assert found["test_log_loss"] == pytest.approx(loss, rel=1e-5)
    size = np.square(params.coefficients).sum() + params.intercept**2
    assert found["excess_error"] == pytest.approx(float(size), rel=1e-5)
    assert np.isfinite(log_loss(jnp.float32(200), jnp.float32(0)))


def test_a_logistic_model_draws_its_own_classes():
    learner = logistic_regression()
    params = learner.init(None, None, {"inputs": jnp.zeros((1, 1))})._replace(
        coefficients=jnp.array([2.0])
    )
    source = {"inputs": jnp.array([[-1.0], [0.3]])}
    source = jax.tree.map(lambda a: jnp.tile(a, (20_000, 1)), source)
    drawn = learner.sample(jax.random.key(0), None, params, source, 40_000)
    np.testing.assert_array_equal(drawn["inputs"], source["inputs"])
    rate = np.asarray(drawn["targets"]).reshape(-1, 2).mean(0)
    expected = 1 / (1 + np.exp(-2 * np.array([-1, 0.3])))
    assert np.abs(rate - expected).max() < LIMIT * 0.5 / np.sqrt(20_000)


def test_real_tables():
    """Scikit-learn's fit on the same rows scores the same on those held out."""
    real = breast_cancer()
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000)
    peer.fit(real.table["inputs"], real.table["targets"])
    config = new_config(
        learner="logistic_regression", regime="replace", data="breast_cancer", generations=0,
        num_samples=real.num_rows, **{"learner.intercept": True, "learner.ridge": 1.0},
    )  # fmt: skip
    found = oj.run(config, progress=False).metrics
    accuracy = peer.score(real.test["inputs"], real.test["targets"])
    assert float(found["accuracy"][0, 0]) == pytest.approx(accuracy)
    places = np.arange(len(real.test["targets"])), real.test["targets"].astype(int)
    chance = peer.predict_proba(real.test["inputs"])[places]
    assert float(found["test_log_loss"][0, 0]) == pytest.approx(-np.log(chance).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("learner", "data", "change", "sentence"),
    [
        ("linear_regression", "normal", {}, "is fitted to regression, and data.name='normal'"),
        ("linear_regression", "logistic", {}, "'logistic' holds classes: expected linear and diab"),
        ("logistic_regression", "linear", {}, "expected logistic and breast_cancer"),
        (
            "linear_regression", "diabetes", {"learner.noise": "known", "num_samples": 100},
            "learner.noise='known' needs data that says its noise, and data.name='diabetes' does",
        ),
        (
            "linear_regression", "diabetes", {"num_samples": 400},
            "num_samples=400 is more real points than data.name='diabetes' has: 442",
        ),
        ("linear_regression", "linear", {"data.noise": -1}, "data.noise=-1.0 is out of range"),
        ("linear_regression", "linear", {"learner.inputs": "old"}, "expected 'same' or 'fresh'"),
        ("logistic_regression", "logistic", {"learner.ridge": -1}, "learner.ridge=-1.0 is out of"),
        ("logistic_regression", "logistic", {"data.num_features": 0}, "data.num_features=0 is out"),
    ],
)  # fmt: skip
def test_bad_input(learner, data, change, sentence):
    with pytest.raises(UserError, match=sentence):
        expand(new_config(learner=learner, regime="replace", data=data, **change))


def test_factories_refuse_what_they_do_not_know():
    for factory, change in (
        (linear_regression, {"inputs": "old"}),
        (linear_regression, {"noise": "none"}),
        (linear_regression, {"metrics": ["accuracy"]}),
        (logistic_regression, {"inputs": "old"}),
        (logistic_regression, {"metrics": ["noise"]}),
    ):
        with pytest.raises(ValueError, match="expected"):
            factory(**change)

"""Two mirrored components: estimators against their definitions, survival against its bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ouroboros_jax as oj
from ouroboros_jax.base import Context, Pool
from ouroboros_jax.config import new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners.symmetric_gmm import kappa, symmetric_gmm
from ouroboros_jax.theory.mixture import suresh_bound

pytestmark = pytest.mark.usefixtures("quick_compilation")


def pool_of(points, weights=None):
    points = np.reshape(points, (len(points), -1))
    weights = np.ones(len(points)) if weights is None else weights
    data = np.concatenate([points, np.full((1, points.shape[1]), 1e3)])
    weights = jnp.asarray(np.append(weights, 0), jnp.result_type(float))
    zeros = jnp.zeros(len(data), jnp.int32)
    return Pool(jnp.asarray(data, weights.dtype), weights, zeros, weights.sum(keepdims=True))


def fit(estimator, points, weights=None):
    learner = symmetric_gmm(estimator=estimator)
    params = learner.fit_step(None, None, None, pool_of(points, weights))[0]
    return tuple(float(jnp.exp(leaf[0])) for leaf in params)


def draw(seed, num, mu=1.0, s=1.0):
    rng = np.random.default_rng(seed)
    return rng.choice([-mu, mu], num) + s * rng.standard_normal(num)


def published(x, eta=2.0):
    """The approximate estimator as Suresh et al. state it."""
    n, m0, big = len(x), np.abs(x).mean(), np.square(x).mean()
    top = (eta - 1) * ((n - 1) / 2 + 4 * eta)
    grown = np.exp(top / (eta * (n - 1) * (n + 4 * eta - 1)))
    gap = big - grown * m0**2
    a = 50 if gap <= 0 else 2 * grown * big / gap
    is_small = big <= 2 * a * m0**2 / (a - 2)
    square = a * big * (big - m0**2) / (a * m0**2 + 2 * big) if is_small else big
    return np.sqrt(big - square), np.sqrt(square)


def test_the_published_correction():
    assert float(kappa(jnp.float32(10))) == pytest.approx(0.041695, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_approximate_estimator(seed):
    x = draw(seed, 10, mu=(0.0, 1.0, 3.0)[seed % 3])
    np.testing.assert_allclose(fit("approximate", x), published(x), rtol=2e-4, atol=1e-3)


def test_the_joint_estimator_is_where_em_ends():
    """EM's fixed point mu = mean x tanh(mu x / s^2), s^2 = S - mu^2, from a far start."""
    for seed, mu in enumerate((0.0, 0.7, 1.0, 2.0, 5.0)):
        x = draw(seed, 40, mu)
        big = np.square(x).mean()
        found = 0.9 * np.sqrt(big)
        for _ in range(20_000):
            found = (x * np.tanh(found * x / (big - found**2))).mean()
        np.testing.assert_allclose(
            fit("joint", x), (found, np.sqrt(big - found**2)), rtol=3e-3, atol=2e-2
        )


@pytest.mark.parametrize("estimator", ["joint", "approximate"])
def test_units_do_not_matter(estimator):
    """From 1e-30 to 1e30; and the second moment is the data's in any case."""
    x = draw(3, 12)
    mu, s = fit(estimator, x)
    for scale in (1e-30, 1e30):
        # A maximum is known to the root of the precision of what is maximised.
        np.testing.assert_allclose(fit(estimator, scale * x), (scale * mu, scale * s), rtol=1e-3)
    assert mu**2 + s**2 == pytest.approx(np.square(x).mean(), rel=1e-5)
    twice = fit(estimator, x, np.full(12, 2.0))
    np.testing.assert_allclose(twice, (mu, s), rtol=1e-6)


def test_metrics_and_draws():
    learner = symmetric_gmm()
    params = learner.init(None, None, jnp.zeros((1, 1)))._replace(
        log_mean=jnp.log(jnp.array([2.0])), log_std=jnp.log(jnp.array([0.5]))
    )
    test = jnp.linspace(-3, 3, 7)[:, None]
    found = learner.measure(None, params, Context(None, params, test))
    density = (stats.norm.pdf(test, 2, 0.5) + stats.norm.pdf(test, -2, 0.5)) / 2
    assert found["test_log_likelihood"] == pytest.approx(np.log(density).mean(), rel=1e-5)
    assert (found["half_distance"], found["std"]) == (pytest.approx(2), pytest.approx(0.5))
    assert found["variance"] == pytest.approx(4.25)
    x = np.asarray(learner.sample(jax.random.key(0), None, params, None, 20_000))[:, 0]
    assert abs((x > 0).mean() - 0.5) < 4.5 * 0.5 / np.sqrt(20_000)
    assert stats.kstest(np.abs(x), lambda t: stats.norm.cdf(t, 2, 0.5)).pvalue > 1e-4


@pytest.fixture(scope="module")
def survival():
    """Pr(s > 0.1) of k fits to 10 points, mu = s = 1; 2,000 chains of each estimator."""
    shares = {}
    for estimator in ("approximate", "joint"):
        config = new_config(
            learner="symmetric_gmm", regime="replace", data="mixture", num_samples=10,
            chains=2000, generations=39, metrics=("std",),
            **{"data.means": (-1, 1), "learner.estimator": estimator, "data.num_test": 0},
        )  # fmt: skip
        std = oj.run(config, progress=False).metrics["std"].values
        shares[estimator] = (std > 0.1).mean(0)
    return shares


def test_survival_is_the_published_one(survival):
    """Suresh et al., figure of Thm 4: about .42 and .03 after 20 and 40 fits; .39 and .04 here."""
    share = survival["approximate"]
    assert abs(share[19] - 0.405) < 0.015 + 4.5 * np.sqrt(0.4 * 0.6 / 2000)
    assert abs(share[39] - 0.035) < 0.005 + 4.5 * np.sqrt(0.035 / 2000)


@pytest.mark.parametrize("estimator", ["approximate", "joint"])
def test_survival_stays_below_its_bound(survival, estimator):
    assert suresh_bound(99, 10, 0.1) == pytest.approx(0.8, abs=0.03)
    assert suresh_bound(119, 10, 0.1) == pytest.approx(0.5, abs=0.005)
    share = survival[estimator]
    assert (share <= suresh_bound(np.arange(len(share)), 10, 0.1)).all()
    # It falls faster than the bound does: by exp(-1 / 40) a fit.
    assert share[39] / share[19] < np.exp(-20 / 40)


def test_one_feature():
    config = new_config(
        learner="symmetric_gmm", regime="replace", data="moons", generations=1, num_samples=5
    )
    with pytest.raises(UserError, match="is fitted to one feature, and the data has 2"):
        oj.run(config, progress=False)
    for change in ({"estimator": "em"}, {"metrics": ["mean"]}):
        with pytest.raises(ValueError, match="expected"):
            symmetric_gmm(**change)

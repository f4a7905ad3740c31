"""Laws are returned where their premises hold and nowhere else; z-scores follow the z-test rule."""

import numpy as np
import pytest

from ouroboros_jax.schedule import geometric
from ouroboros_jax.theory import Law, gaussian, laws, regimes, z_score

G = np.arange(11)
POINT = {
    "seed": 0,
    "chains": 64,
    "generations": 10,
    "num_samples": 100,
    "learner.name": "gaussian",
    "learner.estimator": "mle",
    "learner.draw": "auto",
    "regime.name": "replace",
    "regime.real_fraction": 0.1,
    "regime.real_weight": 0.5,
    "regime.window": 3,
    "regime.kept": False,
    "sampler.bias": 1.0,
    "selector.name": "none",
    "data.name": "normal",
    "data.num_samples": None,
    "data.num_features": 1,
    "data.mean": 0.0,
    "data.std": 1.0,
    "store.every": 1,
}
ALL = {"variance", "mean_squared_error", "log_det_covariance", "w2_squared"}
PAIR = {"variance", "mean_squared_error"}


@pytest.mark.parametrize(
    ("changes", "metrics"),
    [
        ({}, ALL),
        ({"data.mean": 7.0, "learner.estimator": "unbiased"}, ALL),
        ({"data.num_features": 3}, ALL - {"w2_squared"}),
        ({"data.num_features": 100}, PAIR),
        ({"data.num_samples": 17}, ALL),
        ({"num_samples": [100, 200, 400]}, ALL),
        ({"sampler.bias": [1.0, 0.9]}, ALL),
        ({"sampler.temperature": 1.0, "sampler.top_k": None}, ALL),
        ({"regime.name": "accumulate"}, PAIR),
        ({"regime.name": "accumulate_subsample"}, PAIR),
        ({"regime.name": "window"}, PAIR),
        ({"regime.name": "fresh"}, PAIR),
        ({"regime.name": "fixed_real", "data.num_samples": 30}, PAIR),
        ({"regime.name": "weighted", "regime.real_weight": "golden"}, PAIR),
        ({"regime.name": "weighted", "regime.real_fraction": 0.0}, set()),
        ({"regime.name": "window", "regime.kept": True}, set()),
        ({"regime.name": "my_module:mine"}, set()),
        ({"learner.name": "gmm"}, set()),
        ({"learner.estimator": "map"}, set()),
        ({"data.name": "iris"}, set()),
        ({"data.std": [1.0, 2.0]}, set()),
        ({"data.std": [2.0, 2.0], "data.num_features": 2}, PAIR | {"log_det_covariance"}),
        ({"data.mean": "linear(0, 1)"}, set()),
        ({"num_samples": "linear(50, 7)", "sampler.bias": geometric(1.0, 0.99)}, ALL),
        ({"regime.name": "fresh", "regime.real_fraction": "linear(0.9, -0.05)"}, PAIR),
        ({"num_samples": 1}, set()),
        ({"num_samples": [5, 1]}, set()),
        ({"sampler.bias": 0.0}, set()),
        ({"sampler.temperature": 0.5}, set()),
        ({"sampler.truncation": 2.0}, set()),
    ],
)
def test_a_law_only_where_it_holds(changes, metrics):
    found = laws({**POINT, **changes}, G)
    assert set(found) == metrics
    for law in found.values():
        assert law.expected.shape == G.shape and np.isfinite(law.expected).all()
        assert law.sd is None or (law.sd.shape == G.shape and (law.sd > 0).all())
        assert law.label and law.source


def test_laws_are_the_closed_forms():
    found = laws({**POINT, "data.std": 2.0}, G)
    np.testing.assert_allclose(found["variance"].expected, 4 * 0.99 ** (G + 1))
    np.testing.assert_allclose(
        found["variance"].sd, 4 * 0.99 ** (G + 1) * gaussian.relative_sd_variance(G, 100)
    )
    np.testing.assert_allclose(found["mean_squared_error"].expected, 4 * (1 - 0.99 ** (G + 1)))
    np.testing.assert_allclose(
        found["log_det_covariance"].expected, gaussian.expected_log_variance(G, 100, std=2.0)
    )
    assert found["variance"].label == "(1 - 1/n)^(g+1)"
    assert laws({**POINT, "sampler.bias": 0.5}, G)["variance"].label == "exact mean, replace"


def test_generations_may_be_any():
    some = np.array([10, 0, 3])
    for name in ("replace", "window", "weighted", "accumulate"):
        point = {**POINT, "regime.name": name}
        whole, part = laws(point, G), laws(point, some)
        for metric, law in part.items():
            np.testing.assert_allclose(law.expected, whole[metric].expected[some])
    assert laws(POINT, np.arange(0)) == {}


def test_errors_are_summed_over_features():
    point = {**POINT, "regime.name": "window", "data.num_features": 4}
    curve = regimes.window(G, 100, 3)
    found = laws(point, G)
    np.testing.assert_allclose(found["variance"].expected, curve.variance)
    np.testing.assert_allclose(found["mean_squared_error"].expected, 4 * curve.mean_squared_error)


def test_z_score_takes_the_exact_error_where_known():
    values = np.array([[1.0], [2.0], [3.0], [6.0]])
    exact = z_score(Law("", "", np.array([2.0]), np.array([4.0])), values, 0)
    assert exact == (2.0, 3.0, 2.0, 0.5, True)
    sample = z_score(Law("", "", np.array([2.0])), values, 0)
    assert sample.standard_error == pytest.approx(values.std(ddof=1) / 2)
    assert not sample.valid  # 4 chains: no sample error to trust
    many = z_score(Law("", "", np.array([2.0])), np.tile(values, (10, 1)), 0)
    assert many.valid


def test_skewed_means_need_many_chains():
    """Replace at n = 10, k = 20 has a relative spread of 7.4: no feasible C will do."""
    point = {**POINT, "num_samples": 10}
    generations = np.arange(20)
    values = np.ones((1000, 20))
    found = laws(point, generations)
    assert not z_score(found["variance"], values, 19).valid
    assert z_score(found["log_det_covariance"], values, 19).valid
    assert z_score(found["variance"], values, 0).valid
    assert not z_score(found["variance"], values[:64], 0).valid


def test_z_score_of_broken_values():
    law = Law("", "", np.array([2.0]), np.array([1.0]))
    for values in ([[1.0], [np.nan]], [[1.0], [-np.inf]], np.zeros((0, 1))):
        score = z_score(law, np.asarray(values), 0)
        assert not score.valid and np.isnan(score.z)

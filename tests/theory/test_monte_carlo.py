"""Every law against raw samples drawn and fitted in plain NumPy, by the z-test rule.

The simulation keeps actual points and estimates actual moments; it shares no algebra with the
forms. Tolerance: 4.5 standard errors, the exact one where it is known, and each assertion also asks
for an error small enough to tell the laws of neighbouring regimes apart.
"""

import numpy as np
import pytest

from ouroboros_jax.theory import (
    collapse_survival_bound,
    gaussian,
    laws,
    multivariate,
    regimes,
    tails,
    z_score,
)

CHAINS, LAST = 20_000, 5


def fit(points, estimator):
    """Means `[C, D]` and covariances `[C, D, D]` of points `[C, N, D]`."""
    mean = points.mean(1)
    centred = points - mean[:, None]
    divisor = points.shape[1] - (estimator == "unbiased")
    return mean, np.einsum("cni,cnj->cij", centred, centred) / divisor


def draw(rng, model, num, bias):
    """`num` points of each chain's model, its covariance times `bias`."""
    mean, covariance = model
    factor = np.linalg.cholesky(bias * covariance)
    noise = rng.standard_normal((len(mean), num, mean.shape[1]))
    return mean[:, None] + np.einsum("cij,cnj->cni", factor, noise)


def simulate(regime, sizes, start, estimator, bias, num_features, num_chains, seed):
    """Fits of generations 0..LAST, from a truth N(0, 4 I)."""
    rng = np.random.default_rng(seed)
    eye = np.broadcast_to(4.0 * np.eye(num_features), (num_chains, num_features, num_features))
    truth = (np.zeros((num_chains, num_features)), eye)
    pool = [draw(rng, truth, start, 1.0)]
    models = [fit(pool[0], estimator)]
    for g in range(1, LAST + 1):
        n = sizes[min(g, len(sizes) - 1)]
        if regime in ("fresh", "weighted", "accumulate_fresh"):
            num_real = int(0.4 * n + 0.5)
            real = draw(rng, truth, num_real, 1.0)
            synthetic = draw(rng, models[-1], n - num_real, bias)
        if regime == "weighted":
            (a, s), (b, t) = fit(real, estimator), fit(synthetic, estimator)
            models.append((0.3 * a + 0.7 * b, 0.3 * s + 0.7 * t))
            continue
        if regime == "fresh":
            points = np.concatenate([real, synthetic], 1)
        elif regime == "accumulate_fresh":
            pool.extend([real, synthetic])
            points = np.concatenate(pool, 1)
        elif regime == "window":
            sources = [truth, *models][-3:][::-1]
            edges = np.floor(np.arange(len(sources) + 1) * n / len(sources) + 0.5).astype(int)
            points = np.concatenate(
                [
                    draw(rng, source, num, 1.0 if source is truth else bias)
                    for source, num in zip(sources, np.diff(edges), strict=True)
                ],
                1,
            )
        else:
            new = draw(rng, models[-1], n, bias)
            pool.append(new)
            points = {
                "replace": lambda new=new: new,
                "accumulate": lambda: np.concatenate(pool, 1),
                "accumulate_subsample": lambda: np.concatenate(pool, 1),
                "fixed_real": lambda new=new: np.concatenate([pool[0], new], 1),
            }[regime]()
            if regime == "accumulate_subsample":
                rank = rng.random(points.shape[:2]).argsort(1)[:, :n]
                points = np.take_along_axis(points, rank[:, :, None], 1)
        models.append(fit(points, estimator))
    return np.stack([m for m, _ in models], 1), np.stack([s for _, s in models], 1)


def metrics(means, covariances):
    d = means.shape[2]
    values = {
        "variance": np.trace(covariances, axis1=2, axis2=3) / d,
        "mean_squared_error": np.square(means).sum(2),
        "log_det_covariance": np.linalg.slogdet(covariances)[1],
    }
    if d == 1:
        scale = np.sqrt(covariances[..., 0, 0])
        values["w2_squared"] = values["mean_squared_error"] + np.square(scale - 2.0)
    return values


def settings(regime, sizes, start, estimator, bias, num_features):
    return {
        "learner.name": "gaussian",
        "learner.estimator": estimator,
        "regime.name": regime,
        "regime.real_fraction": 0.4,
        "regime.real_weight": 0.3,
        "regime.window": 3,
        "regime.kept": False,
        "sampler.bias": bias,
        "selector.name": "none",
        "num_samples": sizes,
        "data.name": "normal",
        "data.num_samples": start,
        "data.num_features": num_features,
        "data.mean": 0.0,
        "data.std": 2.0,
    }


CASES = {  # sizes, size of the start, estimator, bias, features
    "equal-mle": ([12], 12, "mle", 1.0, 1),
    "varying-unbiased": ([12, 15, 20], 18, "unbiased", 1.0, 2),
    "biased": ([14], 14, "unbiased", 0.8, 2),
    "biased-mle": ([15], 20, "mle", 0.8, 1),
}
REGIMES = (
    "replace",
    "accumulate",
    "accumulate_fresh",
    "accumulate_subsample",
    "window",
    "fresh",
    "fixed_real",
    "weighted",
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("regime", REGIMES)
def test_laws_hold_for_raw_samples(regime, case):
    arguments = CASES[case]
    seed = [list(CASES).index(case), REGIMES.index(regime)]
    values = metrics(*simulate(regime, *arguments, num_chains=CHAINS, seed=seed))
    found = laws(settings(regime, *arguments), np.arange(LAST + 1))
    assert {"variance", "mean_squared_error"} <= set(found)
    assert ("log_det_covariance" in found) == (regime == "replace")
    assert ("w2_squared" in found) == (regime == "replace" and arguments[-1] == 1)
    for metric, law in found.items():
        for index in (0, 1, 2, LAST):
            score = z_score(law, values[metric], index)
            assert score.valid, (metric, index, score)
            assert abs(score.z) < 4.5, (metric, index, score)
            scale = 1.0 if metric == "log_det_covariance" else abs(score.predicted)
            assert score.standard_error < 0.02 * scale, (metric, index, score)


@pytest.mark.parametrize("regime", ["replace", "accumulate", "weighted"])
@pytest.mark.parametrize("case", CASES)
def test_exact_spread_of_a_chain(regime, case):
    """E[(x - E x)^2] against its exact value, at generations where its own error is known small."""
    arguments = CASES[case]
    values = metrics(*simulate(regime, *arguments, num_chains=CHAINS, seed=[9, len(regime)]))
    found = laws(settings(regime, *arguments), np.arange(LAST + 1))
    for metric, law in found.items():
        for index in (0, 1, 3):
            squares = np.square(values[metric][:, index] - law.expected[index])
            error = squares.std() / np.sqrt(CHAINS)
            assert error < 0.08 * law.sd[index] ** 2, (metric, index)
            assert abs(squares.mean() - law.sd[index] ** 2) < 4.5 * error, (metric, index)


def test_conservation_law_holds_for_raw_samples():
    """E[v] + E[(mu - mu0)^2] = std^2 = 4 under maximum likelihood, whatever the regime."""
    for regime in ("replace", "accumulate", "accumulate_subsample", "window", "fresh"):
        means, covariances = simulate(
            regime, [12], 12, "mle", 1.0, 1, CHAINS, seed=[7, len(regime)]
        )
        total = np.square(means[:, LAST, 0]) + covariances[:, LAST, 0, 0]
        error = total.std() / np.sqrt(CHAINS)
        assert error < 0.05
        assert abs(total.mean() - 4) < 4.5 * error, regime


def replace_by_statistics(n, last, num_chains, estimator, seed):
    """Means and standard deviations `[C, last + 1]` by the O(1) generation, truth N(0, 1)."""
    rng = np.random.default_rng(seed)
    nu = n - (estimator == "unbiased")
    mean, s, out = np.zeros(num_chains), np.ones(num_chains), []
    for _ in range(last + 1):
        mean = mean + s / np.sqrt(n) * rng.standard_normal(num_chains)
        s = s * np.sqrt(rng.chisquare(n - 1, num_chains) / nu)
        out.append((mean, s))
    return np.stack([m for m, _ in out], 1), np.stack([s for _, s in out], 1)


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
def test_moments_of_the_standard_deviation_and_its_logarithm(estimator):
    n, g, chains = 30, 10, 100_000
    means, s = replace_by_statistics(n, g, chains, estimator, seed=3)
    log_v = 2 * np.log(s[:, g])
    kl = (np.square(s[:, g]) + np.square(means[:, g]) - 1 - log_v) / 2
    kwargs = {"estimator": estimator}
    for name, sample, expected in [
        ("E[s]", s[:, g], gaussian.expected_std(g, n, **kwargs)),
        ("E[s^.7]", s[:, g] ** 0.7, gaussian.expected_power(g, n, 0.7, **kwargs)),
        ("E[1/s]", 1 / s[:, g], gaussian.expected_power(g, n, -1.0, **kwargs)),
        ("E[ln v]", log_v, gaussian.expected_log_variance(g, n, **kwargs)),
        ("KL", kl, gaussian.expected_kl(g, n, **kwargs)),
        (
            "Var[ln v]",
            np.square(log_v - gaussian.expected_log_variance(g, n, **kwargs)),
            gaussian.variance_log_variance(g, n),
        ),
    ]:
        error = sample.std() / np.sqrt(chains)
        assert error < 0.01 * abs(expected), name
        assert abs(sample.mean() - expected) < 4.5 * error, name
    median = np.median(np.square(s[:, g]))
    np.testing.assert_allclose(median, gaussian.median_variance(g, n, **kwargs), rtol=0.02)


def test_survival_stays_under_its_bound_and_near_the_central_limit():
    """n = 10, eps = .1, so thresholds of .01 on the variance; k = 40, 80, 120."""
    chains = 40_000
    _, s = replace_by_statistics(10, 120, chains, "unbiased", seed=5)
    for k in (40, 80, 120):
        share = (s[:, k - 1] > 0.1).mean()
        error = np.sqrt(share * (1 - share) / chains)
        assert share <= tails.chernoff_bound(k - 1, 10, 0.1) + 4.5 * error
        assert abs(share - tails.clt_tail(k - 1, 10, 0.1)) < 0.006
    collapsed = np.minimum.accumulate(np.square(s / s[:, :1]), axis=1) < 0.01
    survival = 1 - collapsed.mean(0)
    assert survival[120] < 0.1 < survival[40]
    bound = collapse_survival_bound(np.arange(121), 10, 0.01)
    assert (survival <= bound + 1e-9).all()


def test_determinant():
    n, d, chains = 15, 3, 20_000
    _, covariances = simulate("replace", [n], n, "unbiased", 0.9, d, chains, seed=11)
    for g in (0, 2, LAST):
        det = np.linalg.det(covariances[:, g])
        expected = multivariate.expected_det(g, n, d, estimator="unbiased", bias=0.9, std=2.0)
        error = det.std() / np.sqrt(chains)
        assert error < 0.03 * expected and abs(det.mean() - expected) < 4.5 * error


def test_random_mixture_of_real_and_synthetic():
    """Each point is real with probability a."""
    n, a, chains, last = 4, 0.5, 60_000, 6
    rng = np.random.default_rng(2)
    points = rng.standard_normal((chains, n))
    for _ in range(last):
        mean, s = points.mean(1), points.std(1)
        is_real = rng.random((chains, n)) < a
        noise = rng.standard_normal((chains, n))
        points = np.where(is_real, noise, mean[:, None] + s[:, None] * noise)
    curve = regimes.fresh_random(last, n, a)
    for sample, expected in [
        (points.var(1), curve.variance),
        (np.square(points.mean(1)), curve.mean_squared_error),
    ]:
        error = sample.std() / np.sqrt(chains)
        assert error < 0.01 * expected and abs(sample.mean() - expected) < 4.5 * error
    split = regimes.fresh(last, n, a).mean_squared_error
    assert abs(split - curve.mean_squared_error) > 9 * error  # the test can tell them apart

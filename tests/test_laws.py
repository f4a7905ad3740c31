"""The loop against its closed forms, in every regime that has one, by the z-test rule.

Many chains of the package's own learner, regimes, sweeps, settings and keys; means over chains must
lie within 4.5 standard errors of the law (false alarms: 7e-6 an assertion), and the same test must
notice the law of another generation, or of the other divisor.
"""

from functools import cache

import numpy as np
import pytest
from scanned import scan_group
from scipy import stats

from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import laws, z_score
from ouroboros_jax.theory.recursion import covariance_recursion, window_counts

pytestmark = pytest.mark.usefixtures("quick_compilation")

LAST, LIMIT = 5, 4.5
METRICS = ("variance", "mean_squared_error", "log_det_covariance", "mean")


class Cell:
    """One point of a sweep: its settings, and metrics [C, G]."""

    def __init__(self, point, metrics):
        self.point, self.metrics = point, metrics
        self.laws = laws(point, np.arange(LAST + 1))

    def z(self, metric):
        """z-scores [G] of the chains' mean against its law."""
        scores = [z_score(self.laws[metric], self.metrics[metric], g) for g in range(LAST + 1)]
        assert all(score.valid for score in scores), "too few chains to read z"
        return np.array([score.z for score in scores])

    def notices(self, metric, law):
        """Whether the chains' mean lies far from another law, at some generation."""
        law = law._replace(sd=self.laws[metric].sd)
        scores = [z_score(law, self.metrics[metric], g) for g in range(LAST + 1)]
        return max(abs(score.z) for score in scores) > LIMIT


@cache
def simulate(chains, **settings):
    """Cells of a one-group sweep, `chains` replicates each; one scan over generations."""
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    sweep = {key: list(v) for key, v in settings.items() if isinstance(v, frozenset | Sweep)}
    settings = {key: value for key, value in settings.items() if key not in sweep}
    config = new_config(
        learner="gaussian",
        regime=settings.pop("regime.name"),
        data="normal",
        chains=chains,
        generations=LAST,
        metrics=METRICS,
        sweep=sweep,
        **{"data.num_test": 0, "data.std": 2.0, "data.mean": -1.0} | settings,
    )
    (group,) = expand(config)
    metrics = scan_group(group)
    cells = []
    for start in range(0, group.num_chains, chains):
        values = {path: c.values[c.index[start]] for path, c in group.columns.items()}
        values = {path: getattr(value, "value", value) for path, value in values.items()}
        cells.append(
            Cell(
                group.point | values,
                {name: a[start : start + chains] for name, a in metrics.items()},
            )
        )
    return cells


class Sweep(tuple):
    """Values of a swept setting."""


def S(*values):
    return Sweep(values)


SIZES = S(6, 15, (14, 8, 20))
CHAINS = 20_000
CASES = {
    # Statistics: one program serves all sizes, biases, fractions and weights.
    "replace": dict(
        regime__name="replace",
        num_samples=S(6, 15, (14, 8, 20), "linear(10, 4)"),
        sampler__bias=S(1.0, 0.8),
    ),
    "replace-3d": dict(
        regime__name="replace",
        learner__estimator="unbiased",
        num_samples=S(10, (14, 8, 20)),
        sampler__bias=S(1.0, 0.8),
        data__num_features=3,
    ),
    "accumulate": dict(regime__name="accumulate", num_samples=SIZES, data__num_samples=S(None, 9)),
    "accumulate-3d": dict(
        regime__name="accumulate",
        learner__estimator="unbiased",
        num_samples=6,
        sampler__bias=S(1.0, 0.8),
        data__num_samples=9,
        data__num_features=3,
    ),
    "accumulate_fresh": dict(
        regime__name="accumulate_fresh",
        num_samples=SIZES,
        data__num_samples=S(None, 9),
        regime__real_fraction=S(0.2, 0.6),
    ),
    "window": dict(regime__name="window", num_samples=SIZES, sampler__bias=S(1.0, 0.8)),
    "window of many": dict(regime__name="window", regime__window=9, num_samples=S(15, 31)),
    "fresh": dict(
        regime__name="fresh",
        learner__estimator="unbiased",
        num_samples=S(7, (14, 8, 20)),
        regime__real_fraction=S(0.0, 0.1, 0.5, 1.0, "linear(0, .2)"),
    ),
    "fixed_real": dict(regime__name="fixed_real", num_samples=SIZES, data__num_samples=S(None, 20)),
    "weighted": dict(
        regime__name="weighted",
        num_samples=S(12, 31),
        regime__real_fraction=0.4,
        regime__real_weight=S("golden", 0.2, 1.0),
    ),
    # Points: a program for each size.
    "replace-samples-3d": dict(
        regime__name="replace",
        learner__estimator="unbiased",
        num_samples=10,
        sampler__bias=S(1.0, 0.8),
        data__num_features=3,
    ),
    "accumulate-samples-3d": dict(
        regime__name="accumulate",
        learner__estimator="unbiased",
        num_samples=6,
        sampler__bias=S(1.0, 0.8),
        data__num_samples=9,
        data__num_features=3,
    ),
    "subsample-samples": dict(
        regime__name="accumulate_subsample", num_samples=8, sampler__bias=S(1.0, 0.8)
    ),
    "subsample-samples-3d": dict(
        regime__name="accumulate_subsample",
        learner__estimator="unbiased",
        num_samples=(9, 6, 12),
        data__num_samples=11,
        data__num_features=3,
    ),
    "window-samples": dict(
        regime__name="window", learner__estimator="unbiased", num_samples=11, sampler__bias=0.8
    ),
    "fresh-samples": dict(
        regime__name="fresh",
        learner__estimator="unbiased",
        num_samples=7,
        regime__real_fraction=S(0.0, 0.5),
    ),
    "fixed_real-samples": dict(
        regime__name="fixed_real", num_samples=(6, 9), data__num_samples=9, sampler__bias=S(1, 0.8)
    ),
    "weighted-samples": dict(
        regime__name="weighted",
        learner__estimator="unbiased",
        num_samples=9,
        regime__real_fraction=0.4,
        regime__real_weight=S(0.3, 0.7),
    ),
}


def cells_of(case):
    draw = "samples" if "samples" in case else "sufficient"
    return simulate(CHAINS, learner__draw=draw, **CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_means_follow_the_law(case):
    """Mean variance, squared error and, under `replace`, ln det, at generations 0 to 5."""
    for cell in cells_of(case):
        assert {"variance", "mean_squared_error"} <= cell.laws.keys()
        for metric in cell.laws.keys() & set(METRICS):
            z = cell.z(metric)
            assert abs(z).max() < LIMIT, (metric, cell.point["num_samples"], z)


@pytest.mark.parametrize("case", CASES)
def test_means_notice_the_law_of_the_next_generation(case):
    """Power: off by one generation, or the other divisor, is beyond 4.5 standard errors."""
    noticed_shift, noticed_divisor = [], []
    for cell in cells_of(case):
        shifted = laws(cell.point, np.arange(1, LAST + 2))["mean_squared_error"]
        noticed_shift.append(cell.notices("mean_squared_error", shifted))
        estimator = {"mle": "unbiased", "unbiased": "mle"}[cell.point["learner.estimator"]]
        other = laws(cell.point | {"learner.estimator": estimator}, np.arange(LAST + 1))
        noticed_divisor.append(cell.notices("variance", other["variance"]))
    assert all(noticed_divisor)
    # Where all data are fresh, every generation has the same law and none can be told apart.
    alike = [cell.point.get("regime.real_fraction") == 1 for cell in cells_of(case)]
    still = [cell.point.get("regime.real_weight") == 1 for cell in cells_of(case)]
    assert all(np.array(noticed_shift) | alike | still)


@pytest.mark.parametrize("case", CASES)
def test_what_the_variance_loses_the_mean_gains(case):
    """Conservation: E[variance] + E[|mean - truth|^2 / D] = std^2 for maximum likelihood, no bias.

    Under `weighted` variances are within sources, and the sum falls short.
    """
    cells = [
        cell
        for cell in cells_of(case)
        if cell.point["learner.estimator"] == "mle"
        and cell.point["sampler.bias"] == 1
        and cell.point["regime.name"] != "weighted"
    ]
    if not cells:
        pytest.skip("another estimator, biased samples, or variances within sources")
    for cell in cells:
        apart = cell.metrics["mean_squared_error"] / cell.point["data.num_features"]
        values = cell.metrics["variance"] + apart
        error = values.std(0) / np.sqrt(len(values))
        assert error.max() < 0.02 * 4
        assert (abs(values.mean(0) - 4) < LIMIT * error).all()


def mean_of(values):
    return values.mean(0), values.std(0) / np.sqrt(len(values))


def test_accumulate_is_the_product():
    """E[v_k] = prod_{j <= k} (1 - 1/(n j^2)), k = generation + 1, n = 6."""
    cell = cells_of("accumulate")[0]
    assert cell.point["num_samples"] == cell.point["data.num_samples"] == 6
    k = np.arange(1, LAST + 2)
    expected = 4 * np.cumprod(1 - 1 / (6 * k**2))
    mean, error = mean_of(cell.metrics["variance"])
    assert (abs(mean - expected) < LIMIT * error).all()
    assert abs(mean - 4 * (1 - 1 / 6) ** k)[1:].min() > 5 * LIMIT * error.max(), "not replace"


def test_subsample_follows_its_recursion():
    """V_{t+1} = V_t (1 - (a_t/n + b_t)/(t+1)^2), E[v_t] = a_t V_t, with n = 8."""
    cell, _ = cells_of("subsample-samples")
    n, pool, expected = 8, 1 - 1 / 8, []
    for t in range(1, LAST + 2):
        total = t * n
        a, b = total * (n - 1) / (n * (total - 1)), (total - n) / (n * (total - 1))
        expected.append(4 * a * pool)
        pool *= 1 - (a / n + b) / (t + 1) ** 2
    mean, error = mean_of(cell.metrics["variance"])
    assert (abs(mean - expected) < LIMIT * error).all()
    mean, error = mean_of(cell.metrics["mean_squared_error"])
    assert (abs(mean - (4 - np.array(expected))) < LIMIT * error).all()


def test_replace_moments_of_the_logarithm():
    """Var[ln v] = k psi1((n-1)/2) and Var[mean] = std^2 (1 - (1 - 1/n)^k), n = 15."""
    from scipy.special import polygamma

    cell = cells_of("replace")[2]
    assert cell.point["num_samples"] == 15 and cell.point["sampler.bias"] == 1
    k = np.arange(1, LAST + 2)
    logs = np.float64(cell.metrics["log_det_covariance"])
    expected = k * polygamma(1, 7.0)
    assert (abs(logs.var(0) / expected - 1) < LIMIT * np.sqrt(2.5 / CHAINS)).all()
    means = np.float64(cell.metrics["mean"][:, :, 0])
    expected = 4 * (1 - (1 - 1 / 15) ** k)
    assert (abs(means.var(0) / expected - 1) < LIMIT * np.sqrt(3 / CHAINS)).all()
    assert (abs(means.mean(0) + 1) < LIMIT * np.sqrt(expected / CHAINS)).all()


def test_window_of_models_is_not_a_window_of_data():
    """The truth counts as the model before generation 0; K = 3, n = 15."""
    cell = cells_of("window")[2]
    assert cell.point["num_samples"] == 15 and cell.point["sampler.bias"] == 1
    expected = covariance_recursion(window_counts(np.array(LAST), 15, 3))
    mean, error = mean_of(cell.metrics["mean_squared_error"])
    assert (abs(mean - 4 * expected.mean_squared_error) < LIMIT * error).all()
    without = covariance_recursion(_no_truth(window_counts(np.array(LAST), 15, 3)))
    assert abs(mean - 4 * without.mean_squared_error)[2] > 2 * LIMIT * error[2]


def _no_truth(counts):
    """The same table with the share of fresh real points drawn from the last model instead."""
    counts = counts.copy()
    for g in range(1, len(counts)):
        counts[g, g] += counts[g, 0]
        counts[g, 0] = 0
    return counts


@pytest.mark.parametrize(
    ("points", "statistics"),
    [
        ("replace-samples-3d", "replace-3d"),
        ("accumulate-samples-3d", "accumulate-3d"),
        ("fresh-samples", "fresh"),
    ],
)
def test_statistics_and_points_agree_in_law(points, statistics):
    """Kolmogorov-Smirnov at the last generation: variance, mean and ln det; same settings."""
    compared = 0
    for a in cells_of(points):
        for b in cells_of(statistics):
            if any(a.point[k] != b.point[k] for k in a.point if k not in ("learner.draw", "seed")):
                continue
            compared += 1
            for name, one in a.metrics.items():
                if name in METRICS:
                    one, two = (np.atleast_2d(m[:, -1].T) for m in (one, b.metrics[name]))
                    for left, right in zip(one, two, strict=True):
                        assert stats.ks_2samp(left, right).pvalue > 1e-5, name
    assert compared, "the cases share no settings"


@pytest.mark.parametrize("draw", ["samples", "sufficient"])
def test_fewer_points_than_features(draw):
    """n = 3, D = 3: singular from the first fit, and the trace still follows its law."""
    (cell,) = simulate(
        CHAINS, learner__draw=draw, regime__name="replace", num_samples=3, data__num_features=3
    )
    is_singular = cell.metrics["log_det_covariance"] == -np.inf
    assert is_singular.all(), f"{(~is_singular).sum()} of {is_singular.size}"
    assert (cell.metrics["status"] == 1).all()
    mean, error = mean_of(cell.metrics["variance"][:, :3])
    assert (abs(mean - 4 * (1 - 1 / 3) ** np.arange(1, 4)) < LIMIT * error).all()
    mean, error = mean_of(cell.metrics["mean_squared_error"][:, :3])
    assert (abs(mean - 12 * (1 - (1 - 1 / 3) ** np.arange(1, 4))) < LIMIT * error).all()


def test_no_law_is_drawn_of_real_points_that_are_taken_over():
    """Their share falls from generation to generation, which the recursion of `fresh` is not of."""
    told = {"learner.draw": "samples", "regime.real_of": "previous"}
    point = flatten(new_config(learner="gaussian", regime="fresh", data="normal", **told))
    assert laws(point, np.arange(LAST + 1)) == {}
    assert laws(point | {"regime.real_of": "original"}, np.arange(LAST + 1))

"""Checks of the Gaussian loop: every regime against its exact law."""

from collections.abc import Iterator

import numpy as np

from ouroboros_jax.theory import gaussian, regimes, weighted
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import MOST_RELATIVE_ERROR, Reading
from ouroboros_jax.verify.session import Session, values

METRICS = ("mean", "variance", "mean_squared_error", "log_det_covariance")


def _replace(session: Session, estimator: str):
    return session.run(
        "gaussian", "replace", "normal", chains=20_000, generations=19, metrics=METRICS,
        learner__estimator=estimator, sweep={"num_samples": [10, 100]},
    )  # fmt: skip


def sufficient(session: Session) -> Iterator[Reading]:
    """Points and their exact statistics give the same law."""
    drawn = session.run(
        "gaussian", "replace", "normal", chains=4000, generations=5, num_samples=10, seed=1,
        metrics=METRICS, learner__draw="samples",
    )  # fmt: skip
    exact = _replace(session, "mle")
    for metric in ("log_det_covariance", "mean"):
        found = [values(drawn, metric, 5), values(exact, metric, 5, num_samples=10)]
        name = {"mean": "mean", "log_det_covariance": "log variance"}[metric]
        yield reading.same_law(f"{name}: points and statistics alike", *(v.ravel() for v in found))


def moments(session: Session) -> Iterator[Reading]:
    """Mean, spread and logarithm of the variance, and the wandering of the mean."""
    for estimator in ("mle", "unbiased"):
        run = _replace(session, estimator)
        for n, g in ((10, 4), (10, 19), (100, 19)):
            where = f"{estimator}, n={n}, g={g}"
            v = values(run, "variance", g, num_samples=n)
            log_v = values(run, "log_det_covariance", g, num_samples=n)
            error = values(run, "mean_squared_error", g, num_samples=n)
            kind = {"estimator": estimator}
            sd = np.sqrt(gaussian.variance_log_variance(g, n))
            law = gaussian.expected_log_variance(g, n, **kind)
            yield reading.mean(f"E[ln v], {where}", law, log_v, sd)
            if g == 19:
                yield reading.variance(f"Var[ln v], {where}", sd**2, log_v)
            mean = gaussian.expected_variance(g, n, **kind)
            sd = gaussian.relative_sd_variance(g, n) * mean
            # Otherwise the mean is too skewed to test, and the logarithm has to do.
            if sd / mean / np.sqrt(len(v)) < MOST_RELATIVE_ERROR:
                yield reading.mean(f"E[v], {where}", mean, v, sd)
                law = gaussian.expected_std(g, n, **kind)
                yield reading.mean(f"E[s], {where}", law, np.sqrt(v))
                law = gaussian.expected_mean_squared_error(g, n, **kind)
                yield reading.mean(f"Var(mu), {where}", law, error)


def _accumulate(session: Session):
    return session.run(
        "gaussian", "accumulate", "normal", chains=10_000, generations=199, metrics=METRICS,
        sweep={"num_samples": [10, 1000]},
    )  # fmt: skip


def _subsample(session: Session):
    return session.run(
        "gaussian", "accumulate_subsample", "normal", chains=4000, generations=19,
        num_samples=50, metrics=METRICS, learner__draw="samples",
    )  # fmt: skip


def _fresh(session: Session):
    return session.run(
        "gaussian", "fresh", "normal", chains=10_000, generations=80, num_samples=50,
        metrics=METRICS, sweep={"regime.real_fraction": [0.1, 0.5]},
    )  # fmt: skip


def conservation(session: Session) -> Iterator[Reading]:
    """The wandering of the mean gains what the variance loses: E[v] + E[(mu - mu0)^2] = 1."""
    few = {"num_samples": 12, "generations": 14, "metrics": METRICS, "chains": 10_000}
    runs = {
        "accumulate": (_accumulate(session), 29, {"num_samples": 10}),
        "accumulate_subsample": (_subsample(session), 19, {}),
        "fresh": (_fresh(session), 80, {"regime__real_fraction": 0.1}),
        "replace": (_replace(session, "mle"), 4, {"num_samples": 10}),
        "window": (session.run("gaussian", "window", "normal", regime__window=2, **few), 14, {}),
        "fixed_real": (session.run("gaussian", "fixed_real", "normal", **few), 14, {}),
        "accumulate_fresh": (
            session.run("gaussian", "accumulate_fresh", "normal", regime__real_fraction=0.3, **few),
            *(14, {}),
        ),
    }
    for name, (run, g, where) in runs.items():
        both = [values(run, metric, g, **where) for metric in ("variance", "mean_squared_error")]
        yield reading.mean(f"E[v] + E[(mu - mu0)^2], {name}", 1.0, sum(both))
    run, g, _ = runs["window"]
    law = regimes.window(g, 12, 2)
    yield reading.mean("E[v], window of 2 models", law.variance, values(run, "variance", g))
    run, g, _ = runs["fixed_real"]
    law = regimes.fixed_real(g, 12)
    yield reading.mean("E[v], fixed real sample", law.variance, values(run, "variance", g))
    run, g, _ = runs["accumulate_fresh"]
    law = regimes.accumulate_fresh(g, 12, 0.3)
    yield reading.mean("E[v], accumulate with fresh", law.variance, values(run, "variance", g))


def accumulation(session: Session) -> Iterator[Reading]:
    """Accumulated data keep their variance: a product whose limit is a sine."""
    run = _accumulate(session)
    for g, law in (
        (29, regimes.accumulate(29, 10).variance),
        (199, regimes.accumulate_limit(10)),
    ):
        name = "prod (1 - 1/(n j^2))" if g == 29 else "sin(pi/sqrt n) / (pi/sqrt n)"
        yield reading.mean(
            f"E[v] accumulate, {name}", law, values(run, "variance", g, num_samples=10)
        )


def subsample(session: Session) -> Iterator[Reading]:
    """n points of everything so far, without replacement."""
    run = _subsample(session)
    law = regimes.accumulate_subsample(19, 50)
    yield reading.mean("E[v] accumulate-subsample", law.variance, values(run, "variance", 19))
    yield reading.mean(
        "E[(mu - mu0)^2] accumulate-subsample",
        law.mean_squared_error,
        values(run, "mean_squared_error", 19),
    )


def ratios(session: Session) -> Iterator[Reading]:
    """Error of the last fit over that of the first: pi^2/6 and pi^2/2 - 2 in the limit."""
    run = _accumulate(session)
    first, last = (values(run, "mean_squared_error", g, num_samples=1000) for g in (0, 199))
    law = _error_ratio(regimes.accumulate(np.array([0, 199]), 1000))
    yield reading.ratio("error ratio accumulate, to pi^2/6", law, last, first)
    run = _subsample(session)
    first, last = (values(run, "mean_squared_error", g) for g in (0, 19))
    law = _error_ratio(regimes.accumulate_subsample(np.array([0, 19]), 50))
    yield reading.ratio("error ratio subsample, to pi^2/2 - 2", law, last, first)


def _error_ratio(curve: regimes.Curve) -> float:
    """Exact at its number of points; limits are for infinitely many."""
    first, last = curve.mean_squared_error
    return last / first


def fresh(session: Session) -> Iterator[Reading]:
    """A share of fresh real data has a fixed point."""
    run = _fresh(session)
    for a in (0.1, 0.5):
        where = {"regime__real_fraction": a}
        law = regimes.fresh_fixed_point(50, a)
        found = values(run, "mean_squared_error", 80, **where)
        yield reading.mean(f"Var(mu) fresh, a={a}", law.mean_squared_error, found)
        yield reading.mean(f"E[v] fresh, a={a}", law.variance, values(run, "variance", 80, **where))


def golden(session: Session) -> Iterator[Reading]:
    """The golden weight and its error."""
    grid = np.linspace(0.3, 0.95, 65_001)
    for k in (0.5, 1.0, 2.0):
        errors = weighted.stationary_mean_error(grid, 100 * k, 100)
        best = grid[errors.argmin()]
        yield reading.exact(f"argmin of V(w), k={k:g}", weighted.golden_weight(k), best, 2e-5)
    run = session.run(
        "gaussian", "weighted", "normal", chains=10_000, generations=30, num_samples=200,
        metrics=METRICS, regime__real_fraction=0.5, regime__real_weight="golden",
    )  # fmt: skip
    law = regimes.weighted(30, 200, 0.5, "golden").mean_squared_error
    yield reading.mean("Var(mu) at w = 1/phi", law, values(run, "mean_squared_error", 30))

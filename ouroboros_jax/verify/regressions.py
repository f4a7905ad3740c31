"""Checks of regressions and of kernel density estimates."""

from collections.abc import Iterator

import numpy as np

from ouroboros_jax.theory import kde, regression
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session, values


def linear(session: Session) -> Iterator[Reading]:
    """Excess error of least squares on its own targets: g + 1 times, or pi^2/6 at most."""
    features, rows = 5, 20
    laws = {"replace": regression.replace, "accumulate": regression.accumulate}
    for regime, law in laws.items():
        run = session.run(
            "linear_regression", regime, "linear", chains=5000, generations=9, num_samples=rows,
            metrics=("excess_error",), data__num_features=features,
        )  # fmt: skip
        for g in (0, 9):
            found = values(run, "excess_error", g)
            yield reading.mean(f"excess error, {regime}, g={g}", law(g, rows, features), found)


def kernels(session: Session) -> Iterator[Reading]:
    """A density estimate widens its draws, to a variance of (n - 1) h^2 in the end."""
    n, h, g = 40, 0.3, 30
    run = session.run(
        "kde", "replace", "normal", chains=4000, generations=g, num_samples=n,
        metrics=("variance",), learner__bandwidth=h,
    )  # fmt: skip
    for at in (1, g):
        law = kde.replace(at, n, bandwidth=h).variance
        found = values(run, "variance", at)
        yield reading.mean(f"E[variance] of the estimate, g={at}", np.mean(law), found)
    limit = kde.fixed_point(n, h)
    far = kde.replace(4000, n, bandwidth=h).points
    yield reading.exact("its points' variance in the limit, (n - 1) h^2", limit, far, 1e-12)

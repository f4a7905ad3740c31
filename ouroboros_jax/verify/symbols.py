"""Checks of symbols and counts: survival, heterozygosity, curation."""

from collections.abc import Iterator

import numpy as np

from ouroboros_jax.theory import curation, discrete, poisson, wright_fisher
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session, values


def rates(session: Session) -> Iterator[Reading]:
    """A Poisson rate is alive with probability 1 - exp(-n lambda g_k), exactly."""
    n, rate = 10, 1.0
    run = session.run(
        "poisson", "replace", "counts", chains=20_000, generations=49, num_samples=n,
        metrics=("is_alive", "rate"), data__rate=rate,
    )  # fmt: skip
    for g in (4, 9, 49):
        law = poisson.survival(g, n, rate)
        yield reading.share(f"Poisson survival, n={n}, g={g}", law, values(run, "is_alive", g))
    low, high = poisson.survival_rate_bounds(np.arange(2000))
    inside = np.clip(poisson.survival_rate(np.arange(2000)), low, high)
    yield reading.exact("1/k <= g_k <= 3/k", poisson.survival_rate(np.arange(2000)), inside, 0)


def survival(session: Session) -> Iterator[Reading]:
    """A symbol's count is a binomial chain, which the published bounds bracket."""
    n, p = 100, 0.01
    run = session.run(
        "categorical", "replace", "bernoulli", chains=20_000, generations=19, num_samples=n,
        metrics=("surviving", "heterozygosity"), data__p=p,
    )  # fmt: skip
    for g in (0, 4, 19):
        # Two symbols survive if the rare one does: the other is lost once in 10^12.
        both = values(run, "surviving", g) == 2
        law = float(wright_fisher.survival(np.array([g]), n, [p])[0, 0])
        yield reading.share(f"rare symbol survives, n={n}, p={p}, g={g}", law, both)
        low, high = (float(bound) for bound in discrete.survival_bounds(g, n, p))
        yield reading.between(f"its bounds, {low:.4f} to {high:.4f}", low, high, both)
    start = discrete.initial_heterozygosity([p, 1 - p])
    law = start * discrete.retained_heterozygosity(19, n)
    yield reading.mean("E[H] = H_0 (1 - 1/n)^(g+1), g=19", law, values(run, "heterozygosity", 19))


def choices(session: Session) -> Iterator[Reading]:
    """Curation by K-way choice: given a model p, the mean of the next is p H."""
    kinds, start = 3, (0.5, 0.3, 0.2)
    run = session.run(
        "categorical", "replace", "symbols", chains=4000, generations=2, num_samples=50,
        metrics=("max_probability",), store__every=1, data__probabilities=start,
        learner__draw="samples", selector__name="curate", selector__choices=3,
        selector__score="feature", selector__index=0,
    )  # fmt: skip
    before, after = (np.asarray(run.params(g)["probabilities"], np.float64) for g in (1, 2))
    seen, place = np.unique(np.round(before * 50).astype(int), axis=0, return_inverse=True)
    rewards = np.eye(kinds)[0]
    laws_of = np.stack([curation.curated(row / 50, rewards, 3) for row in seen])
    gap = (after - laws_of[place.reshape(-1)])[:, 0]
    yield reading.mean("K-choice update p H, of the better one", 0.0, gap)

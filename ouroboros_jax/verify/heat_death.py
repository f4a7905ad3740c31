"""Checks of the closed loop at a temperature, and of the urns that it contains."""

from collections.abc import Iterator

import numpy as np

from ouroboros_jax.theory import heat_death
from ouroboros_jax.theory.discrete import polya_limit
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session, chosen, values

LOOP = ("heat_death", "fresh", "outcomes")
CELL, NUM = 0.005, 5  # of the grid of shares; outcomes
COLLAPSING, SPREADING = (0.5, 0.8, 0.9), 1.25
STARTS = {"centre": 1 / NUM + 1e-4, "corner": 0.99}
SHARES = tuple(round(CELL * i, 6) for i in range(int(0.65 / CELL)))
END = 3000


def _map(session: Session):
    return session.run(
        *LOOP, generations=END, x64=True, num_samples=1000, metrics=("max_probability",),
        data__num_outcomes=NUM, data__start="corner",
        sweep={"sampler.temperature": (*COLLAPSING, SPREADING), "regime.real_fraction": SHARES,
               "data.corner": tuple(STARTS.values())},
    )  # fmt: skip


def sharpening(session: Session) -> Iterator[Reading]:
    """Without external data, p_g ~ p_0^((1/T)^g)."""
    generations = np.arange(21)
    for temperature in (0.8, SPREADING):
        for name, corner in STARTS.items():
            where = {"sampler__temperature": temperature, "data__corner": corner}
            found = chosen(_map(session), "max_probability", regime__real_fraction=0.0, **where)[0]
            start = np.array([corner] + [(1 - corner) / (NUM - 1)] * (NUM - 1))
            law = heat_death.sharpened(generations, start, temperature).max(-1)
            yield reading.exact(
                f"p_0^((1/T)^g) from the {name}, T={temperature}", law, found[generations], 1e-13
            )


def thresholds(session: Session) -> Iterator[Reading]:
    """Thresholds of the final state: 1 - T for starts near the centre, a_g near a corner."""
    for temperature in COLLAPSING:
        for name, corner in STARTS.items():
            where = {"sampler__temperature": temperature, "data__corner": corner}
            end = values(_map(session), "max_probability", END, **where)
            is_collapsed = end > 1 / NUM + 0.02
            last = int(np.flatnonzero(is_collapsed).max(initial=0))
            found = (SHARES[last] + SHARES[int(np.argmin(is_collapsed))]) / 2
            law = {
                "centre": heat_death.local_threshold(temperature),
                "corner": heat_death.global_threshold(NUM, temperature),
            }[name]
            words = {"centre": "1 - T, from near the centre", "corner": "a_g(5, T), from a corner"}
            yield reading.exact(f"{words[name]}, T={temperature}", law, found, CELL)


def differential_equation(session: Session) -> Iterator[Reading]:
    """Deviations near uniform grow as exp(s ((1 - a)/T - 1)), s the logarithm of the size."""
    jitter, steps = 1e-6, 40
    run = session.run(
        *LOOP, generations=steps, x64=True, num_samples=1000, metrics=("deviation", "step_error"),
        learner__dynamics="ode", learner__step=0.1, data__num_outcomes=4, data__start="corner",
        data__corner=0.25 + jitter, sweep={"sampler.temperature": [0.8, 1.3],
                                           "regime.real_fraction": [0.0, 0.1]},
    )  # fmt: skip
    for temperature in (0.8, 1.3):
        for share in (0.0, 0.1):
            where = {"sampler__temperature": temperature, "regime__real_fraction": share}
            path = chosen(run, "deviation", **where)[0]
            found = np.log(path[-1] / path[0]) / (0.1 * steps)
            law = heat_death.growth_exponent(temperature, share)
            yield reading.exact(f"growth exponent, T={temperature}, a={share}", law, found, 1e-4)
    error = chosen(run, "step_error").max()
    yield reading.exact("Runge-Kutta, error of a step by halving it", 0.0, error, 1e-9)


def fixation(session: Session) -> Iterator[Reading]:
    """At T = 1, replaced finite data lose heterozygosity until one outcome is left."""
    num, start, end = 10, (0.5, 0.3, 0.2), 250
    run = session.run(
        "heat_death", "replace", "outcomes", chains=8000, generations=end, num_samples=num,
        metrics=("heterozygosity", "probabilities"), learner__dynamics="counts", data__start=start,
    )  # fmt: skip
    for g in (5, 20):
        squares = heat_death.expected_probabilities(g, start, start, num, 0)[1]
        found = values(run, "heterozygosity", g)
        yield reading.mean(f"E[H] replace, n={num}, g={g}", 1 - squares, found)
    last = values(run, "probabilities", end)
    for k, p in enumerate(start[:2]):
        yield reading.share(f"fixation of an outcome of p={p}", p, last[:, k] == 1)


def urns(session: Session) -> Iterator[Reading]:
    """The urn's heterozygosity with and without external data, and Polya's limit."""
    start, external, end = (4, 6), (0.2, 0.8), 400
    size, g = sum(start), 40
    run = session.run(
        "heat_death", "accumulate_fresh", "outcomes", chains=5000, generations=end,
        metrics=("heterozygosity", "probabilities"), learner__dynamics="counts",
        data__num_outcomes=2, data__start=start, data__num_samples=size, data__external=external,
        sweep_mode="zip", sweep={"num_samples": (5, 5, 1), "regime.real_fraction": (0.0, 0.2, 0.0)},
    )  # fmt: skip
    p = np.array(start) / size
    law = heat_death.urn_heterozygosity(g, p, size, 5)
    found = values(run, "heterozygosity", g, num_samples=5, regime__real_fraction=0.0)
    yield reading.mean(f"E[H] urn, g={g}", law, found)
    law = 1 - heat_death.expected_probabilities(g, p, external, 4, 1, kept=size)[1]
    found = values(run, "heterozygosity", g, regime__real_fraction=0.2)
    yield reading.mean(f"E[H] urn with external data, g={g}", law, found)
    last = values(run, "probabilities", end, num_samples=1)[:, 0]
    # A share of a finite urn is a multiple of 1 / its size: spread evenly over its cell.
    spread = (np.random.default_rng(0).random(last.shape) - 0.5) / (size + end)
    law = polya_limit(start)[0].cdf
    yield reading.follows("Polya urn: shares in the limit are beta", law, last + spread)

"""Heat death: a closed loop over K outcomes that samples at a temperature T.

Models are points p of the simplex. Samples come from tau(p) = p^(1/T) / sum p^(1/T), and a share
a of each generation's points from an external law h. With infinitely many points a generation is
the map p -> (1 - a) tau(p) + a h; a data set that grows instead of being replaced follows, by the
logarithm s of its size, the ordinary differential equation

  dp/ds = (1 - a) tau(p) + a h - p,      which with mu = a / (1 - a) and t = s (1 - a) is
  dp/dt = tau(p) - p + mu (h - p).

Functions called `..._threshold` are about the share a; `ratio_of` and `share_of` convert between a
and mu. Generation 0 is the start itself, so `generation` counts applications of the map: for this
family it is the literature's k, not k - 1.

References:
  Marchi, Soatto, Chaudhari and Tabuada, Heat Death of Generative Models in Closed-Loop Learning,
  2024 (arXiv 2404.02325, CDC 2024), for the loop and its fate; Marchi, Silvestre,
  Gharesifard and Tabuada, Preventing Model Collapse: A Fisher-Rao Perspective, 2026, for the floor
  and the sufficient condition. Thresholds, exponents and p^(1/T^g) are derived here.
"""

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logsumexp, xlogy


def ratio_of(share):
    """mu = a / (1 - a), external points to a model's own."""
    share = np.asarray(share, np.float64)
    return np.divide(share, 1 - share, out=np.full_like(share, np.inf), where=share < 1)


def share_of(ratio):
    """a = mu / (1 + mu), the external share of new points."""
    ratio = np.asarray(ratio, np.float64)
    return np.where(np.isinf(ratio), 1.0, ratio / (1 + np.where(np.isinf(ratio), 0, ratio)))


def tempered(p, temperature):
    """tau(p) along the last axis, by logarithms; outcomes of probability 0 stay there."""
    p, temperature = _checked(p, temperature)
    with np.errstate(divide="ignore"):
        log_p = np.log(p) / temperature
    return np.exp(log_p - logsumexp(log_p, -1, keepdims=True))


def _checked(p, temperature):
    p, temperature = np.asarray(p, np.float64), np.asarray(temperature, np.float64)
    if (temperature <= 0).any():
        raise ValueError(f"temperature must be above 0, got {temperature.min():g}")
    if (p < 0).any() or not np.allclose(p.sum(-1), 1, atol=1e-9):
        raise ValueError(f"probabilities must be 0 or more and sum to 1, got {p}")
    return p, temperature


def sharpened(generation, start, temperature):
    """The map without external data, p_g ~ p_0^((1/T)^g), `[..., K]` for `generation` `[...]`.

    Below T = 1 the mass goes to the largest outcomes, shared by ties; above, it spreads evenly over
    the support. Derived here.
    """
    start, temperature = _checked(start, temperature)
    generation = np.asarray(generation, np.float64)[..., None]
    relative = start / start.max()
    is_between = (relative > 0) & (relative < 1)  # 0 and 1 stay fixed under any power
    with np.errstate(over="ignore"):
        power = np.exp(-generation * np.log(temperature))
        log_p = power * np.log(np.where(is_between, relative, 0.5))
    log_p = np.where(is_between, log_p, np.where(relative > 0, 0.0, -np.inf))
    return np.exp(log_p - logsumexp(log_p, -1, keepdims=True))


def map_step(p, temperature, share, external):
    """(1 - a) tau(p) + a h along the last axis."""
    share = np.asarray(share, np.float64)
    return (1 - share) * tempered(p, temperature) + share * np.asarray(external, np.float64)


def map_trajectory(num_generations, start, temperature, share, external):
    """Generations 0..`num_generations` of the map, `[G + 1, K]`.

    `temperature` and `share` are numbers, or arrays `[G + 1]` whose entry g forms generation g.
    """
    shape = (num_generations + 1,)
    temperature, share = (
        np.broadcast_to(np.asarray(x, np.float64), shape) for x in (temperature, share)
    )
    path = [np.asarray(start, np.float64)]
    for g in range(1, num_generations + 1):
        path.append(map_step(path[-1], temperature[g], share[g], external))
    return np.stack(path)


# When the uniform law is stable, and when one outcome may dominate


def local_threshold(temperature):
    """1 - T: above this external share, h uniform, the uniform law is stable, whatever K is.

    The map's Jacobian there is (1 - a) / T on the tangent space; mu > 1/T - 1 says the same.
    """
    return np.maximum(0.0, 1 - np.asarray(temperature, np.float64))


def dominant_response(x, num_outcomes, temperature):
    """f(x): tau of an outcome of probability x if the other K - 1 outcomes are equal."""
    x = np.asarray(x, np.float64)
    with np.errstate(divide="ignore"):
        odds = (1 - 1 / temperature) * np.log(num_outcomes - 1)
        odds = odds + (np.log1p(-x) - np.log(x)) / temperature
    return 1 / (1 + np.exp(np.minimum(odds, 700.0)))


def global_threshold(num_outcomes, temperature):
    """a_g(K, T): below this share, h uniform, an equilibrium with one dominant outcome survives.

    a_g = max over x > 1/K of (f(x) - x) / (f(x) - 1/K). Equal to `local_threshold` for K = 2 and
    above it for K >= 3: the transition is of first order, and between the two the final state
    depends on the start (hysteresis). 0 for T >= 1.
    """
    if num_outcomes < 2:
        raise ValueError(f"num_outcomes must be 2 or more, got {num_outcomes}")
    temperature = float(temperature)
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, got {temperature:g}")
    if temperature >= 1:
        return 0.0
    floor = 1 / num_outcomes

    def share(x):
        response = dominant_response(x, num_outcomes, temperature)
        return (response - x) / (response - floor)

    # Near 1/K both differences vanish: the grid avoids it, and the limit is added separately.
    grid = floor + (1 - floor) * np.linspace(1e-4, 1 - 1e-9, 4001)
    best = int(np.argmax(share(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda x: -share(x), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    return float(max(-found.fun, local_threshold(temperature)))


def dominant_equilibria(num_outcomes, temperature, share):
    """Probabilities x > 1/K of the dominant outcome at equilibria of the map, h uniform, ascending.

    Between the thresholds there are two: the lower is unstable and separates starts that end
    uniform from those that do not; the upper is stable. Below 1 - T only the upper is left.
    """
    floor = 1 / num_outcomes

    def drift(x):
        response = dominant_response(x, num_outcomes, temperature)
        return (1 - share) * response + share * floor - x

    grid = floor + (1 - floor) * np.linspace(1e-6, 1, 20001)
    values = drift(grid)
    found = [
        brentq(drift, grid[i], grid[i + 1], xtol=1e-14)
        for i in np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    ]
    return np.array(found + ([1.0] if share == 0 else []))


def floor(generation, share, external):
    """p_g >= a h under the map for g >= 1, `[..., K]`; 0 at generation 0."""
    generation = np.asarray(generation)[..., None]
    return np.where(generation >= 1, share * np.asarray(external, np.float64), 0.0)


def ode_floor(time, share, external):
    """p(s) >= (1 - e^-s) a h under the differential equation, s the logarithm of the size.

    The Fisher-Rao paper's Lemma 1 without fitting error: (1 - e^(-(1+mu) t)) mu h / (1 + mu).
    """
    time = np.asarray(time, np.float64)[..., None]
    return -np.expm1(-time) * share * np.asarray(external, np.float64)


def growth_factor(temperature, share):
    """(1 - a) / T, by which a small deviation from uniform grows in a generation of the map."""
    return (1 - np.asarray(share, np.float64)) / np.asarray(temperature, np.float64)


def growth_exponent(temperature, share):
    """(1/T - 1 - mu) / (1 + mu) = (1 - a)/T - 1: a growing data set of size l has deviations
    (l / l_0)^exponent, so that under accumulation collapse is a power of the size."""
    return growth_factor(temperature, share) - 1


# Distances and the published sufficient condition


def fisher_rao(p, q):
    """arccos(sum_i sqrt(p_i q_i)), at most (pi / 2) sqrt(KL(p || q))."""
    product = np.sqrt(np.asarray(p, np.float64) * np.asarray(q, np.float64))
    return np.arccos(np.clip(product.sum(-1), -1, 1))


def kl(p, q):
    """Kullback-Leibler divergence of p from q, nats; infinite where q is 0 and p is not."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (xlogy(p, p) - np.where(p > 0, p * np.log(q), 0)).sum(-1)


def sufficient_ratio(temperature, external, equilibrium, *, kappa=None, error=0.0):
    """The mu from which on Theorem 1 of the Fisher-Rao paper guarantees convergence to
    `equilibrium`.

    max{(1 + T c k) / (T d k), (e + 2 c / k) / d} with d = min h, e the bound on fitting errors and
    c = 1 / (T min p_e), for any k in (0, 1). If `kappa` is None, it is the infimum over k, which no
    k attains. The condition is sufficient: the loop may converge far below it too.
    """
    smallest = float(np.min(external))
    if smallest <= 0:
        return np.inf
    constant = 1 / (temperature * float(np.min(equilibrium)))

    def ratio(k):
        first = (1 + temperature * constant * k) / (temperature * smallest * k)
        return max(first, (error + 2 * constant / k) / smallest)

    # Both parts fall with k, so the infimum is at its end.
    return ratio(1.0 if kappa is None else kappa)


def equilibrium(temperature, share, external, start=None, *, tolerance=1e-14, most=100_000):
    """The equilibrium that the map reaches from `start` (by default from h), `[K]`.

    Raises:
      ValueError: if the map has not settled after `most` generations.
    """
    p = np.asarray(external if start is None else start, np.float64)
    for _ in range(most):
        after = map_step(p, temperature, share, external)
        if np.abs(after - p).max() < tolerance:
            return after
        p = after
    raise ValueError(f"no equilibrium in {most} generations at T={temperature}, a={share}")


# Finite data sets


def expected_probabilities(generation, start, external, num_model, num_real, *, kept=0):
    """E[p_g] and E[sum p_g^2] of the loop on counts at T = 1, `[..., K]` and `[...]`.

    Generation g adds Multinomial(m, p) points of the model and Multinomial(r, h) real ones to the
    N points it keeps and is fitted to the frequencies, so that with N' = N + m + r

      E[p'] = ((N + m) p + r h) / N'
      N'^2 E[|p'|^2] = |(N + m) p + r h|^2 + m (1 - |p|^2) + r (1 - |h|^2).

    Derived here; without real points heterozygosity is H_0 prod_j (1 - m / (N_0 + j m)^2) for the
    urn and H_0 (1 - 1/n)^g under `replace`.

    Args:
      generation: ints `[...]`, 0 being the start.
      start, external: p_0 and h, `[K]`.
      num_model, num_real: m and r, numbers or arrays whose entry g forms generation g.
      kept: N_0, the points of the start, if these and all later ones are kept; 0: nothing is kept.
    """
    generation = np.asarray(generation)
    last = int(generation.max(initial=0))
    model, real = (
        np.broadcast_to(np.asarray(x, np.float64), last + 1) for x in (num_model, num_real)
    )
    p, h = np.asarray(start, np.float64), np.asarray(external, np.float64)
    means, squares, size = [p], [float(p @ p)], float(kept)
    for m, r in zip(model[1:], real[1:], strict=True):
        before, total = size + m, size + m + r
        p, square = means[-1], squares[-1]
        cross = 2 * before * r * float(p @ h) + r * r * float(h @ h)
        noise = m * (1 - square) + r * (1 - float(h @ h))
        means.append((before * p + r * h) / total)
        squares.append((before**2 * square + cross + noise) / total**2)
        size = total if kept else 0.0
    return np.stack(means)[generation], np.array(squares)[generation]


def urn_heterozygosity(generation, start, num_initial, num_new):
    """E[H_g] = H_0 prod_{j<=g} (1 - m / (N_0 + j m)^2), the urn without external data at T = 1."""
    start = np.asarray(start, np.float64)
    squares = expected_probabilities(generation, start, start, num_new, 0, kept=num_initial)[1]
    return 1 - squares

"""Closed forms of the one-dimensional Gaussian loop under `replace`, both estimators.

The truth is N(mu0, std^2); generation 0 is fitted to n real points, generation g to n points drawn
from generation g - 1; k = generation + 1 fits in all. The fitted variance is a product of
independent chi-square ratios, v_k = std^2 prod_i X_i / nu with X_i ~ chi2 of n - 1 degrees and
nu = n (`mle`) or n - 1 (`unbiased`); given the variances the mean is Gaussian. The rest follows.

Common arguments: `generation`, int or int array; `num_samples`, a number or a schedule; `num_real`,
points of generation 0 if they differ; `estimator`, `mle` or `unbiased`; `bias`, the factor lambda
on the variance of every synthetic draw (Alemohammad et al. 2023), a number or a schedule; `std`,
the truth's. Results are float64 of the shape of `generation`.

References:
  Shumailov et al., AI models collapse when trained on recursively generated data, 2024, Thm 3.1.
  Alemohammad et al., Self-Consuming Generative Models Go MAD, 2023 (arXiv 2307.01850).
  Bertrand et al., On the Stability of Iterative Retraining, 2023 (arXiv 2310.00429).
  Suresh, Thangaraj and Khandavally, Rate of Model Collapse in Recursive Training, 2024
  (arXiv 2412.17646).
"""

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from ouroboros_jax.theory.clock import as_generations, biases_of, divisor_of, sizes_of


def c4(num_samples):
    """E[s] / sigma of the unbiased variance's root: sqrt(2/(n-1)) Gamma(n/2) / Gamma((n-1)/2)."""
    n = np.asarray(num_samples, np.float64)
    return np.exp(_log_gamma_ratio((n - 1) / 2, 0.5))


def _log_gamma_ratio(x, a):
    """ln(Gamma(x + a) / (Gamma(x) x^a)), to 1e-15 even if both logarithms are huge; inf at poles.

    Above 30 by Stirling's series, whose large terms cancel on paper rather than in floats.
    """
    x, a = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(a, np.float64))
    is_small = np.minimum(x, x + a) < 30
    big, top = np.where(is_small, 30.0, x), np.where(is_small, 30.0, x + a)

    def tail(y):
        z = 1 / (y * y)
        return (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / y

    stirling = (top - 0.5) * np.log1p((top - big) / big) - (top - big) + tail(top) - tail(big)
    low = np.where(is_small & (x + a > 0), x, 1.0)
    rise = np.where(is_small & (x + a > 0), a, 0.0)
    direct = gammaln(low + rise) - gammaln(low) - rise * np.log(low)
    return np.where(x + a > 0, np.where(is_small, direct, stirling), np.inf)


def log_drift(num_samples, *, estimator: str = "mle"):
    """Change of E[ln variance] in one fit: psi((n-1)/2) + ln(2/nu)."""
    n = np.asarray(num_samples, np.float64)
    return digamma((n - 1) / 2) + np.log(2 / divisor_of(n, estimator))


def log_diffusion(num_samples):
    """Variance added to ln variance by one fit, either estimator: psi1((n-1)/2)."""
    return polygamma(1, (np.asarray(num_samples, np.float64) - 1) / 2)


def expected_variance(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[v]: std^2 (1 - 1/n)^k for `mle`; std^2 for `unbiased`; times bias^generation."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    factors = biases_of(bias, generation) * (n - 1) / divisor_of(n, estimator)
    return std**2 * np.cumprod(factors)[generation]


def expected_power(
    generation, num_samples, power, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[s^power] of the fitted standard deviation s; infinite where power <= -(n - 1).

    One fit multiplies it by (2/nu)^a Gamma((n-1)/2 + a) / Gamma((n-1)/2), a = power / 2.

    References:
      Suresh et al. 2024, the moments behind Thm 3.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    logs = log_moment(n, power, estimator)
    with np.errstate(divide="ignore"):
        logs += power / 2 * np.log(biases_of(bias, generation))
    with np.errstate(over="ignore"):
        return std**power * np.exp(np.cumsum(logs))[generation]


def log_moment(n, power, estimator):
    """ln E[(s' / s)^power] of one fit to n points."""
    a = power / 2
    return a * np.log((n - 1) / divisor_of(n, estimator)) + _log_gamma_ratio((n - 1) / 2, a)


def expected_std(generation, num_samples, **kwargs):
    """E[s]: (c4 sqrt(1 - 1/n))^k for `mle`, c4^k for `unbiased` (Bertrand et al. 2023)."""
    return expected_power(generation, num_samples, 1.0, **kwargs)


def second_moment_variance(generation, num_samples, **kwargs):
    """E[v^2]: (1 - 1/n^2)^k for `mle`, ((n+1)/(n-1))^k for `unbiased`. Derived here."""
    return expected_power(generation, num_samples, 4.0, **kwargs)


def relative_sd_variance(generation, num_samples, *, num_real=None):
    """sd(v) / E[v] = sqrt(((n+1)/(n-1))^k - 1), the same for both estimators. Derived here.

    Beyond 1 the mean of v over chains means little: most chains lie far below it.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    with np.errstate(over="ignore"):
        return np.sqrt(np.expm1(np.cumsum(np.log1p(2 / (n - 1)))))[generation]


def expected_log_variance(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[ln v] = ln std^2 + k (psi((n-1)/2) + ln(2/nu)) + generation ln bias. Derived here."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    drift = log_drift(n, estimator=estimator) + np.log(biases_of(bias, generation))
    return 2 * np.log(std) + np.cumsum(drift)[generation]


def variance_log_variance(generation, num_samples, *, num_real=None):
    """Var[ln v] = k psi1((n-1)/2), either estimator, whatever the bias. Derived here."""
    generation = as_generations(generation)
    return np.cumsum(log_diffusion(sizes_of(num_samples, generation, num_real)))[generation]


def median_variance(generation, num_samples, **kwargs):
    """Median of v to leading order, exp(E[ln v]): the variance of a typical chain.

    It tends to 0 even if E[v] is constant (`unbiased`).
    """
    return np.exp(expected_log_variance(generation, num_samples, **kwargs))


def median_half_life(num_samples, *, estimator: str = "unbiased"):
    """Fits until a typical chain's standard deviation has halved: 2 ln(1/2) / drift of ln v."""
    return 2 * np.log(0.5) / log_drift(num_samples, estimator=estimator)


def expected_mean_squared_error(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[(mu - mu0)^2]: std^2 (1 - (1 - 1/n)^k) for `mle`, std^2 k/n for `unbiased`.

    In general it is the sum over fits of (bias E[v] of the model drawn from) / n; with a bias it is
    1/n + (bias/n) (1 - bias^g) / (1 - bias), bounded (Alemohammad et al. 2023, the first draw being
    unbiased real data here).
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    bias = biases_of(bias, generation)
    variance = np.cumprod(bias * (n - 1) / divisor_of(n, estimator))
    drawn = bias * np.concatenate([[1.0], variance[:-1]])
    return std**2 * np.cumsum(drawn / n)[generation]


def expected_w2_squared(generation, num_samples, *, std=1.0, **kwargs):
    """E[W2^2 to the truth] = E[(mu - mu0)^2] + E[(s - std)^2].

    2 std^2 (1 - E[s]) for `mle`, which tends to 2 std^2; std^2 (k/n + 2 (1 - c4^k)) for
    `unbiased`, which diverges. With varying sizes the latter is the exact risk
    std^2 (sum 1/M_i + 2 - 2 prod c4(M_i)). Derived here; leading order in Shumailov et al. 2024.
    """
    kwargs = {**kwargs, "std": std}
    error = expected_mean_squared_error(generation, num_samples, **kwargs)
    variance = expected_variance(generation, num_samples, **kwargs)
    return error + variance - 2 * std * expected_std(generation, num_samples, **kwargs) + std**2


def leading_risk(generation, num_samples, *, num_real=None, std=1.0):
    """Shumailov et al.'s leading-order E[W2^2] = (3/2) std^2 sum_i 1/M_i, `unbiased`.

    Finite in the limit only if sizes grow superlinearly.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    return 1.5 * std**2 * np.cumsum(1 / n)[generation]


def expected_kl(generation, num_samples, *, std=1.0, **kwargs):
    """E[KL(N_k || truth)] in nats: -k d/2 for `mle`, (k/n - k d)/2 for `unbiased`. Derived here."""
    kwargs = {**kwargs, "std": std}
    error = expected_mean_squared_error(generation, num_samples, **kwargs)
    variance = expected_variance(generation, num_samples, **kwargs)
    log_variance = expected_log_variance(generation, num_samples, **kwargs) - 2 * np.log(std)
    return ((error + variance) / std**2 - 1 - log_variance) / 2


def sd_w2_squared(generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0):
    """Standard deviation of one chain's W2^2 to the truth, exact. Derived here.

    W2^4 is a polynomial in mu - mu0 and s, and E[mu^2 s^a] obeys
    E[mu'^2 s'^a] = q_a (E[mu^2 s^a] + bias E[s^(a+2)] / n), q_a the factor of E[s^a]. Differences
    of moments lose digits as n grows: good to 1% up to a million points, NaN beyond.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    bias = biases_of(bias, generation)
    with np.errstate(over="ignore", invalid="ignore"):
        q = [bias ** (a / 2) * np.exp(log_moment(n, a, estimator)) for a in range(5)]
        s = [np.cumprod(q[a]) for a in range(5)]  # E[s^a] after each fit
        drawn = [np.concatenate([[1.0], s[a][:-1]]) for a in range(5)]  # and before it
        mu2 = [_cumulate(q[a], q[a] * bias * drawn[a + 2] / n) for a in range(3)]
        before = np.concatenate([[0.0], mu2[2][:-1]])  # E[mu^2 s^2] before each fit
        mu4 = np.cumsum(6 * bias * before / n + 3 * (bias / n) ** 2 * drawn[4])
        shrink2 = s[2] - 2 * s[1] + 1
        shrink4 = s[4] - 4 * s[3] + 6 * s[2] - 4 * s[1] + 1
        mixed = mu2[2] - 2 * mu2[1] + mu2[0]
        variance = mu4 + shrink4 + 2 * mixed - (mu2[0] + shrink2) ** 2
        sd = np.where(n.max() > 1e6, np.nan, np.sqrt(np.maximum(variance, 0.0)))
        return std**2 * sd[generation]


def _cumulate(factors, additions):
    """x_i = factors_i x_(i-1) + additions_i from x = 0, after each step."""
    x, out = 0.0, []
    for factor, addition in zip(factors.tolist(), additions.tolist(), strict=True):
        x = factor * x + addition
        out.append(x)
    return np.array(out)

"""Stored parameters and truths as plain Gaussian mixtures, for drawing: NumPy, float64."""

from typing import Any

import numpy as np

from ouroboros_jax.theory import truths
from ouroboros_jax.theory.mixture import Gaussians

_SQRT_TAU = float(np.sqrt(2 * np.pi))


def mixture_of(params: Any) -> Gaussians | None:
    """One chain's parameters as a mixture; None if they are not a finite Gaussian or mixture."""
    mean, means = _field(params, "mean"), _field(params, "means")
    if mean is not None and (log_scale := _field(params, "log_scale")) is not None:
        packed = _field(params, "factor")
        if packed is None or mean.ndim != 1:
            return None
        factor = np.zeros((len(mean), len(mean)))
        factor[np.tril_indices(len(mean))] = packed.reshape(-1)
        return _finite(np.ones(1), mean[None], log_scale[None], factor[None])
    weights, log_scales = _field(params, "weights"), _field(params, "log_scales")
    if means is None or weights is None or log_scales is None or means.ndim != 2:
        return None
    count, dims = means.shape
    factors = np.broadcast_to(np.eye(dims), (count, dims, dims)).copy()
    if (ratios := _field(params, "ratios")) is not None:
        factors[:, *np.tril_indices(dims, -1)] = ratios.reshape(count, -1)
        factors /= np.sqrt(np.square(factors).sum(-1, keepdims=True))
    return _finite(weights, means, log_scales, factors)


def _field(params: Any, name: str) -> np.ndarray | None:
    found = params.get(name) if isinstance(params, dict) else getattr(params, name, None)
    return None if found is None or callable(found) else np.asarray(found, np.float64)


def _finite(weights, means, log_scales, factors) -> Gaussians | None:
    roots = np.exp(log_scales)[:, :, None] * factors
    found = Gaussians(weights, means, roots @ roots.transpose(0, 2, 1))
    return found if all(np.isfinite(part).all() for part in found) else None


def truth_of(point: dict[str, Any]) -> Gaussians | None:
    """The law of a point's real data, if it is a synthetic one."""
    if (found := truths.mixture_of(point)) is None:
        return None
    weights, means, stds = found
    return isotropic(means, stds, weights)


def isotropic(means: np.ndarray, stds: np.ndarray, weights: Any = None) -> Gaussians:
    """A mixture with independent features, `[K, D]` both, and relative weights."""
    shares = np.ones(len(means)) if weights is None else np.array(weights, np.float64)
    covariances = np.square(stds)[:, :, None] * np.eye(means.shape[1])[None]
    return Gaussians(shares / shares.sum(), means, covariances)


def total(mixture: Gaussians) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the whole mixture."""
    weights, means, covariances = mixture
    mean = weights @ means
    apart = means - mean[None]
    within = np.einsum("k,kij->ij", weights, covariances)
    return mean, within + np.einsum("k,ki,kj->ij", weights, apart, apart)


def project(mixture: Gaussians, basis: np.ndarray) -> Gaussians:
    """The law of x @ basis, for `basis` `[D, d]`."""
    covariances = basis.T[None] @ mixture.covariances @ basis[None]
    return Gaussians(mixture.weights, mixture.means @ basis, covariances)


def densities(mixture: Gaussians, x: np.ndarray) -> np.ndarray:
    """Weighted densities of the components of a one-dimensional mixture, `[K, len(x)]`."""
    std = np.sqrt(np.maximum(mixture.covariances[:, 0, 0], 1e-300))[:, None]
    z = (x[None] - mixture.means[:, :1]) / std
    shape = np.exp(-0.5 * np.minimum(np.square(z), 1400.0))
    return mixture.weights[:, None] * shape / (_SQRT_TAU * std)


def grid(mixture: Gaussians, low: float, high: float) -> np.ndarray:
    """Points along a line, dense enough to show every peak of a one-dimensional mixture."""
    std = np.sqrt(mixture.covariances[:, 0, 0])
    near = mixture.means[:, :1] + std[:, None] * np.linspace(-5, 5, 121)[None]
    points = np.concatenate([np.linspace(low, high, 201), near.ravel()])
    return np.unique(points[(points >= low) & (points <= high)])


def ellipse(covariance: np.ndarray) -> tuple[float, float, float]:
    """Full width, height and angle in degrees of the one-sigma ellipse in two dimensions."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.sqrt(np.maximum(values, 0))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return 2 * float(values[1]), 2 * float(values[0]), float(angle)

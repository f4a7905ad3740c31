"""Variances of the synthetic truths, feature by feature, from a run's settings."""

from typing import Any

import numpy as np


def feature_variances(point: dict[str, Any]) -> np.ndarray | None:
    """Variances [D] of the law that `data.name` names; None where it is not known.

    Args:
      point: flat resolved settings.
    """
    found = _TRUTHS.get(point.get("data.name"))
    return None if found is None else found(point)


def _normal(point) -> np.ndarray:
    return np.full(int(point.get("data.num_features") or 1), float(point["data.std"]) ** 2)


def _mixture(point) -> np.ndarray:
    means = np.asarray(point["data.means"], np.float64)
    means = means.reshape(len(means), -1)
    stds = np.asarray(point["data.stds"], np.float64)
    stds = np.broadcast_to(stds[:, None] if stds.ndim == 1 else stds, means.shape)
    weights = point["data.weights"]
    weights = np.ones(len(means)) if weights is None else np.asarray(weights, np.float64)
    weights = weights / weights.sum()
    return weights @ (stds**2 + means**2) - (weights @ means) ** 2


def _blobs(point) -> np.ndarray:
    layout = np.random.RandomState(point["data.layout_seed"])
    shape = point["data.num_centers"], point["data.num_features"]
    centres = layout.uniform(-point["data.box"], point["data.box"], shape)
    return centres.var(0) + point["data.std"] ** 2


def _moons(point) -> np.ndarray:
    # x is cos, or 1 - cos, of an angle uniform on a half circle; y is sin, or 1/2 - sin.
    y = 0.625 - 1 / np.pi - 0.25**2
    return np.array([0.75, y]) + float(point["data.noise"]) ** 2


def _circles(point) -> np.ndarray:
    return np.full(2, (1 + point["data.factor"] ** 2) / 4) + float(point["data.noise"]) ** 2


def _swiss_roll(point) -> np.ndarray:
    # The mean of t cos t over [a, b] is [cos t + t sin t] / (b - a), and so on.
    a, b = 1.5 * np.pi, 4.5 * np.pi

    def mean(integral):
        return (integral(b) - integral(a)) / (b - a)

    square = (b**2 + a * b + a**2) / 3  # of t^2
    ripple = mean(lambda t: t**2 * np.sin(2 * t) / 4 + t * np.cos(2 * t) / 4 - np.sin(2 * t) / 8)
    x = square / 2 + ripple - mean(lambda t: np.cos(t) + t * np.sin(t)) ** 2
    z = square / 2 - ripple - mean(lambda t: np.sin(t) - t * np.cos(t)) ** 2
    return np.array([x, 21**2 / 12, z]) + float(point["data.noise"]) ** 2


_TRUTHS = {
    "normal": _normal,
    "mixture": _mixture,
    "blobs": _blobs,
    "moons": _moons,
    "circles": _circles,
    "swiss_roll": _swiss_roll,
}

"""The laws of synthetic data, from a run's settings: mixtures, and variances of shapes."""

from typing import Any

import numpy as np


def feature_variances(point: dict[str, Any]) -> np.ndarray | None:
    """Variances [D] of the law that `data.name` names; None if it is not known.

    Args:
      point: flat resolved settings.
    """
    if (mixture := mixture_of(point)) is not None:
        weights, means, stds = mixture
        return weights @ (stds**2 + means**2) - (weights @ means) ** 2
    found = _SHAPES.get(point["data.name"])
    return None if found is None else found(point)


def mixture_of(point: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Weights [K], means and standard deviations [K, D] of the mixture of independent features that
    `data.name` names; None if it is no such mixture, or changes over generations.

    Args:
      point: flat resolved settings.
    """
    found = _MIXTURES.get(point["data.name"])
    return None if found is None else found(point)


def _normal(point):
    mean, std = point["data.mean"], point["data.std"]
    if not all(isinstance(value, int | float) for value in (mean, std)):
        return None
    shape = 1, point["data.num_features"]
    return np.ones(1), np.full(shape, float(mean)), np.full(shape, float(std))


def _mixture(point):
    means = np.asarray(point["data.means"], np.float64)
    means = means.reshape(len(means), -1)
    stds = np.asarray(point["data.stds"], np.float64)
    stds = np.broadcast_to(stds[:, None] if stds.ndim == 1 else stds, means.shape)
    weights = point["data.weights"]
    weights = np.ones(len(means)) if weights is None else np.asarray(weights, np.float64)
    return weights / weights.sum(), means, stds


def _blobs(point):
    layout = np.random.RandomState(point["data.layout_seed"])  # the same stream as the data's
    shape = point["data.num_centers"], point["data.num_features"]
    means = layout.uniform(-point["data.box"], point["data.box"], shape)
    return np.full(len(means), 1 / len(means)), means, np.full(shape, float(point["data.std"]))


_MIXTURES = {"normal": _normal, "mixture": _mixture, "blobs": _blobs}


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


_SHAPES = {"moons": _moons, "circles": _circles, "swiss_roll": _swiss_roll}

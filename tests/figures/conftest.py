"""Runs made of numpy alone, with the attributes that figures read."""

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

import ouroboros_jax as oj
from ouroboros_jax.sweep import expand


class Gaussian(NamedTuple):
    mean: np.ndarray
    log_scale: np.ndarray
    factor: np.ndarray


class Mixture(NamedTuple):
    weights: np.ndarray
    means: np.ndarray
    log_scales: np.ndarray
    ratios: np.ndarray


class FakeRun:
    """A run of a config, simulated: `replace` whatever the regime."""

    def __init__(self, name, overrides=None, workdir=None):
        self.config = oj.load_config(name, overrides or {})
        self.workdir = Path(workdir) if workdir else None
        self.groups = expand(self.config)
        self.points = [group.point for group in self.groups]
        self.manifest = {"data": {"name": self.config.data.name}}
        last, every = int(self.config.generations), max(1, int(self.config.store.every))
        kept = sorted({*range(0, last + 1, every), last})
        self.stores = [SimpleNamespace(kept=lambda: kept)] * len(self.groups)
        self._params = []
        blocks = []
        for i, group in enumerate(self.groups):
            rng = np.random.default_rng(i)
            learner = group.point["learner.name"]
            simulate = self._gaussian if learner == "gaussian" else self._mixture
            metrics, params = simulate(rng, group)
            self._params.append(params)
            blocks.append((group, metrics))
        self.metrics = self._dataset(blocks)

    def _gaussian(self, rng, group):
        count, total = group.num_chains, int(self.config.generations) + 1
        num = group.columns["num_samples"].at(np.arange(total))
        num = np.broadcast_to(num, (count, total))
        d = int(group.point.get("data.num_features", 1))
        unbiased = group.point["learner.estimator"] == "unbiased"
        std = 1.0 if group.point["data.std"] is None else float(group.point["data.std"])
        dof = (num - 1)[..., None]
        ratios = (
            rng.chisquare(np.broadcast_to(dof, (count, total, d))) / (num - unbiased)[..., None]
        )
        variances = std**2 * np.cumprod(ratios, 1)
        before = np.concatenate([np.full((count, 1, d), std**2), variances[:, :-1]], 1)
        steps = np.sqrt(before / num[..., None]) * rng.normal(size=before.shape)
        means = float(group.point["data.mean"]) + np.cumsum(steps, 1)
        variance = variances.mean(-1)
        error = np.square(means - float(group.point["data.mean"])).sum(-1)
        metrics = {
            "mean": means,
            "variance": variance,
            "log_det_covariance": np.log(variances).sum(-1),
            "mean_squared_error": error,
            "l2_squared": np.square(variance / variance[:, :1] - 1),
            "w2_squared": error + np.square(np.sqrt(variances) - std).sum(-1),
            "tail_mass": 0.02 * np.minimum(variance / std**2, 1) ** 2,
            "test_log_likelihood": -0.5 * (1 / variance + np.log(variance)),
        }
        eye = np.eye(d)[np.tril_indices(d)]

        def params(g, c):
            return Gaussian(means[c, g], np.log(variances[c, g]) / 2, eye)

        return metrics, params

    def _mixture(self, rng, group):
        count, total = group.num_chains, int(self.config.generations) + 1
        k = int(group.point["learner.components"])
        point = group.point
        d = {"iris": 4, "mixture": 1}.get(point["data.name"], point.get("data.num_features", 1))
        n = float(group.columns["num_samples"].at(np.arange(1))[0, 0]) / k
        centres = np.linspace(-2, 2, k)[None, None, :, None] * (point["data.name"] != "normal")
        shape = (count, total, k, d)
        variances = np.cumprod(rng.chisquare(n - 1, shape) / n, 1)
        means = centres + np.cumsum(
            np.sqrt(np.concatenate([variances[:, :1], variances[:, :-1]], 1) / n)
            * rng.normal(size=shape),
            1,
        )
        weights = np.full(shape[:3], 1 / k)
        spread = np.square(means - means.mean(2, keepdims=True)).mean(2)
        total_variance = (variances.mean(2) + spread).mean(-1)
        drop = total_variance / total_variance[:, :1]
        metrics = {
            "mean": means.mean(2),
            "variance": total_variance,
            "log_det_covariance": np.log(variances.mean(2) + spread).sum(-1),
            "l2_squared": np.square(1 / drop - 1),
            "component_mean": means[..., 0] if d == 1 else means,
            "component_std": np.sqrt(variances[..., 0] if d == 1 else variances),
            "weights": weights,
            "separation": np.abs(means[:, :, 0, 0] - means[:, :, -1, 0]),
            "em_steps": np.full((count, total), 7),
            "converged": np.ones((count, total), bool),
        }
        if point["data.name"] == "iris":
            metrics["tail_mass"] = np.full((count, total), np.nan)
            metrics["test_log_likelihood"] = np.log(drop) - 2
        else:
            metrics["tail_mass"] = 0.02 * np.minimum(drop, 1) ** 2

        def params(g, c):
            ratios = np.full((k, d * (d - 1) // 2), 0.4)
            return Mixture(weights[c, g], means[c, g], np.log(variances[c, g]) / 2, ratios)

        return metrics, params

    def _dataset(self, blocks):
        dims = {
            "mean": ("feature",),
            "component_mean": ("component", "feature"),
            "component_std": ("component", "feature"),
            "weights": ("component",),
        }
        parts = []
        wanted = tuple(self.config.metrics)
        for group, metrics in blocks:
            variables = {
                name: (("chain", "generation", *dims.get(name, ())[: value.ndim - 2]), value)
                for name, value in metrics.items()
                if not wanted or name in wanted
            }
            count = group.num_chains
            coords = {
                "seed": ("chain", group.seeds),
                "replicate": ("chain", group.replicates),
                "group": ("chain", np.array([group.name] * count)),
                "generation": np.arange(int(self.config.generations) + 1),
            }
            coords |= {path: ("chain", values) for path, values in group.coords.items()}
            variables["status"] = (
                ("chain", "generation"),
                np.zeros((count, coords["generation"].size), np.int8),
            )
            parts.append(xr.Dataset(variables, coords))
        widest = {d: max(p.sizes.get(d, 1) for p in parts) for d in ("component", "feature")}
        parts = [
            p.pad({d: (0, widest[d] - p.sizes[d]) for d in widest if d in p.sizes}) for p in parts
        ]
        joined = xr.concat(parts, "chain", data_vars="all", coords="different", compat="equals")
        variance = joined["variance"].values
        ratio = variance / variance[:, :1]
        thresholds = np.array(self.config.collapse.thresholds)
        below = ratio[:, :, None] < thresholds[None, None]
        first = np.where(below.any(1), below.argmax(1), np.nan)
        joined["time_to_collapse"] = (("chain", "threshold"), first)
        return joined.assign_coords(threshold=thresholds)

    def _locate(self, chain):
        for i, group in enumerate(self.groups):
            if chain < group.num_chains:
                return i, chain
            chain -= group.num_chains
        raise IndexError(chain)

    def params(self, generation, chain=None, group=None):
        i, c = self._locate(chain)
        return self._params[i](generation, c)

    def sample(self, generation, chain=0, num_samples=64, seed=0):
        params = self.params(generation, chain)
        rng = np.random.default_rng(seed)
        if isinstance(params, Gaussian):
            noise = rng.normal(size=(num_samples, len(params.mean)))
            return params.mean + np.exp(params.log_scale) * noise
        which = rng.choice(len(params.weights), num_samples, p=params.weights)
        noise = rng.normal(size=(num_samples, params.means.shape[1]))
        return params.means[which] + np.exp(params.log_scales[which]) * noise

    def data(self, generation, chain=0):
        return self.sample(max(generation - 1, 0), chain, 100, seed=generation)


@pytest.fixture(scope="session")
def fake_run():
    """Makes a run of a config without running it; equal ones are made once."""
    made = {}

    def make(name, overrides=None):
        key = name, repr(overrides)
        if key not in made:
            made[key] = FakeRun(name, overrides)
        return made[key]

    return make

"""Training of autoencoders and classifiers of images beside PyTorch, on the same shapes.

    pip install -e '.[bench]' && python tests/bench/images.py [conv] [mlp] [--threads=N]

Each line is one of our epochs, as a run compiles it, against PyTorch's bare steps on images in
memory and against the published loop, which takes them from a `DataLoader`. The three take turns,
so that what else the machine does strikes all alike; ratios are of medians, and `cpu/wall` says how
many cores each had. `cpu_ratio` compares processor time, which other programs disturb less.
"""

import argparse
import itertools
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["conv", "mlp"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--images", type=int, default=2560, help="of an epoch")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--chains", type=int, default=1, help="of ours, in one call")
    return parser.parse_args()


OPTIONS = arguments()
if hasattr(os, "sched_setaffinity"):  # before the pools of threads are made
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: OPTIONS.threads]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from timing import show  # noqa: E402
from torch import nn  # noqa: E402

from ouroboros_jax.base import Pool, Settings  # noqa: E402
from ouroboros_jax.learners.vae import vae  # noqa: E402

torch.set_num_threads(OPTIONS.threads)
PIXELS = 28


# PyTorch, as published


class ConvVae(nn.Module):
    """Shumailov et al.'s network."""

    def __init__(self, channels=64, latents=20):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 4, 2, 1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 4, 2, 1)
        self.mean = nn.Linear(2 * channels * 49, latents)
        self.log_var = nn.Linear(2 * channels * 49, latents)
        self.dense = nn.Linear(latents, 2 * channels * 49)
        self.back2 = nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1)
        self.back1 = nn.ConvTranspose2d(channels, 1, 4, 2, 1)

    def forward(self, x):
        h = F.relu(self.conv2(F.relu(self.conv1(x)))).flatten(1)
        mean, log_var = self.mean(h), self.log_var(h)
        codes = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        h = F.relu(self.back2(self.dense(codes).view(len(x), -1, 7, 7)))
        return torch.sigmoid(self.back1(h)).flatten(1), mean, log_var


def dense(*widths):
    layers = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers)


class MlpVae(nn.Module):
    """Model Ouroboros' network."""

    def __init__(self, widths=(512, 256, 128, 64), latents=50):
        super().__init__()
        self.encoder = dense(784, *widths)
        self.mean, self.log_var = nn.Linear(widths[-1], latents), nn.Linear(widths[-1], latents)
        self.decoder = nn.Sequential(dense(latents, *widths[::-1]), nn.Linear(widths[0], 784))

    def forward(self, x):
        h = self.encoder(x.flatten(1))
        mean, log_var = self.mean(h), self.log_var(h)
        codes = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return torch.sigmoid(self.decoder(codes)), mean, log_var


def train(network, optimizer, loss_of, batches):
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_of(network, x, y)
        loss.backward()
        optimizer.step()
    return loss.item()


def vae_loss_of(reconstruct):
    def loss_of(network, x, _):
        found, mean, log_var = network(x)
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return reconstruct(found, x.flatten(1), reduction="sum") + kl

    return loss_of


class Labelled(torch.utils.data.Dataset):
    """Images one by one, as torchvision's MNIST hands them to a `DataLoader`: bytes, converted."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i]).float().div(255)[None], self.labels[i]


def torch_loops(name, images, labels):
    """One epoch of bare steps and of the published loop, as functions."""
    if name == "conv":
        parts = [(ConvVae(), 1e-3, 1e-5, vae_loss_of(F.binary_cross_entropy), 1)]
        size = 256
    else:
        classifier = nn.Sequential(nn.Flatten(), dense(784, 512, 256, 128), nn.Linear(128, 10))
        parts = [
            (MlpVae(), 1e-4, 0.0, vae_loss_of(F.mse_loss), 1),
            (classifier, 1e-3, 0.0, lambda net, x, y: F.cross_entropy(net(x), y), 1),
        ]
        size = 512
    told = [
        (net, torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay), loss)
        for net, rate, decay, loss, _ in parts
    ]
    x = torch.from_numpy(images).float().div(255)[:, None]
    y = torch.from_numpy(labels)
    loader = torch.utils.data.DataLoader(Labelled(images, labels), batch_size=size, shuffle=True)

    def bare():
        for net, optimizer, loss in told:
            order = torch.randperm(len(y))
            train(net, optimizer, loss, ((x[i], y[i]) for i in order.split(size)))

    def published():
        for net, optimizer, loss in told:
            train(net, optimizer, loss, loader)

    return {"bare": bare, "published": published}


# Ours


def our_epoch(name, images, labels, chains):
    """One epoch of `chains` chains as a function, one after another as on a CPU."""
    options = {"conv": {"points": "dataset"}, "mlp": {
        "network": "mlp", "layer_sizes": (512, 256, 128, 64), "latent_dim": 50, "loss": "mse",
        "batch_size": 512, "classifier": True, "points": "dataset",
    }}[name]  # fmt: skip
    learner = vae(**options)
    rates = {
        "conv": {"learning_rate": 1e-3, "weight_decay": 1e-5},
        "mlp": {"learning_rate": 1e-4, "weight_decay": 0.0, "classifier_learning_rate": 1e-3},
    }[name]
    told = {k: jnp.float32(v) for k, v in ({"beta": 1.0} | rates).items()}
    none = jnp.int32(0)
    settings = Settings(none, none, none, told, {}, {}, {})
    data = {"image": jnp.asarray(images[..., None] / np.float32(255)), "label": jnp.asarray(labels)}
    weights = jnp.ones(len(labels))
    pool = Pool(data, weights, jnp.zeros(len(labels), jnp.int32), weights.sum()[None])

    def begin(key):
        params = learner.init(key, settings, data)
        return learner.fit_begin(key, settings, params, pool)

    def step(carry):
        key, state = carry
        return learner.fit_step(key, settings, state, pool)

    @jax.jit
    def epoch(keys, states, pool):
        return jax.lax.map(step, (keys, states))

    keys = jax.random.split(jax.random.key(0), chains)
    states = jax.jit(lambda keys: jax.lax.map(begin, keys))(keys)
    return lambda: jax.block_until_ready(epoch(keys, states, pool))


def main():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (OPTIONS.images, PIXELS, PIXELS), np.uint8)
    labels = rng.integers(0, 10, OPTIONS.images)
    for name in OPTIONS.networks:
        loops = {"ours": our_epoch(name, images, labels.astype(np.int32), OPTIONS.chains)}
        loops |= torch_loops(name, images, labels)
        scale = {"ours": OPTIONS.chains, "bare": 1, "published": 1}
        times = {kind: [] for kind in loops}
        for loop in loops.values():
            loop()
        for _ in range(OPTIONS.repeats):
            for kind, loop in loops.items():
                wall, cpu = time.perf_counter(), time.process_time()
                loop()
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                times[kind].append((wall / scale[kind], cpu / scale[kind]))
        wall, cpu = (
            {kind: float(np.median([t[i] for t in each])) for kind, each in times.items()}
            for i in (0, 1)
        )
        show(
            benchmark=f"{name} VAE" + (" and classifier" if name == "mlp" else ""),
            chains=OPTIONS.chains,
            images_per_second=OPTIONS.images / wall["ours"],
            to_bare=wall["bare"] / wall["ours"],
            to_published=wall["published"] / wall["ours"],
            cpu_ratio_to_bare=cpu["bare"] / cpu["ours"],
            cpu_ratio_to_published=cpu["published"] / cpu["ours"],
            **{f"cores_{kind}": cpu[kind] / wall[kind] for kind in wall},
        )


if __name__ == "__main__":
    main()

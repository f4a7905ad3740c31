"""Variational autoencoders trained on their own images of digits.

python launch.py --config=configs/vae.py
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    variants = {
        "": base,
        "paper": paper,
        "ouroboros": ouroboros,
        "ouroboros_quick": ouroboros_quick,
    }
    return choose(variant, variants)


def base():
    """The paper's model and protocol, of a third of the images and fewer epochs."""
    config = paper()
    config.num_samples = 20_000
    config.learner.epochs = 4
    return config


def paper():
    """A fresh convolutional network each generation, fed by its predecessor's decoder."""
    config = new_config(learner="vae", regime="replace", data="mnist")
    config.data.fallback = "digits"
    config.learner.start = "fresh"
    config.num_samples = 60_000
    config.generations = 5
    return config


def ouroboros():
    """One dense network trained on and on, and classifiers that label each new data set."""
    config = new_config(learner="vae", regime="replace", data="mnist")
    config.data.fallback = "digits"
    config.learner.network = "mlp"
    config.learner.layer_sizes = (512, 256, 128, 64)
    config.learner.latent_dim = 50
    config.learner.loss = "mse"
    config.learner.epochs = 100
    config.learner.batch_size = 512
    config.learner.learning_rate = 1e-4
    config.learner.weight_decay = 0.0
    config.learner.points = "dataset"
    config.learner.start = "previous"
    config.learner.classifier = True
    config.num_samples = 60_000
    config.generations = 29
    return config


def ouroboros_quick():
    """The same with fewer images, epochs and generations."""
    config = ouroboros()
    config.num_samples = 10_000
    config.learner.epochs = 20
    config.learner.classifier_epochs = 5
    config.generations = 10
    return config

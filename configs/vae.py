"""Variational autoencoders trained on their own images of digits.

    python launch.py --config=configs/vae.py

default     the convolutional network and protocol of Shumailov et al. 2023 (arXiv 2305.17493) and
            Nature 2024, shortened to 20,000 images and 4 epochs: a fresh network each generation,
            every batch decoded anew by its predecessor, 5 synthetic generations
:paper      the same in full: 60,000 images, 30 epochs
:ouroboros  Model Ouroboros: one dense network trained continually on its own 60,000 images, 100
            epochs a generation, with classifiers that label each new data set; 29 synthetic
            generations, which are its 30 iterations
:ouroboros_quick
            the same with 10,000 images, 20 epochs of larger steps and 10 generations

The default takes 3 min 2 s on 2 idle CPU cores. On digits, which stand in for MNIST if it is not
available, the standard deviation of generated images' codes under generation 0 falls from 0.83 to
0.67, recall falls from 0.95 to 0.29, and the training loss rises every generation, from 239 to 389
nat.

:ouroboros_quick takes 2 min. On MNIST a classifier of real data calls 20% of generation 0's images
an 8, and 84% of generation 10's; their Frechet distance grows from 54 to 238, and their variance
falls to a ninth.

:paper takes 67 min on cores shared with other work. On MNIST the standard deviation of codes falls
from 0.78 to 0.44, recall falls from 0.93 to 0.30, and the training loss rises from 99 to 155 nat.

:ouroboros takes about 2 min 15 s a generation, some 70 min in all. It was run on MNIST to
generation 21 of its 29, when nothing had changed since generation 15. A classifier of real data
calls 15% of generation 0's images an 8, 33% of generation 5's, 66% of generation 10's, and all of
generation 15's, which are all one image; their Frechet distance grows from 23 to 350, and the
standard deviation of their codes falls from 0.25 to 0.10.
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
    """The paper's model and protocol, with a third of the images and fewer epochs."""
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
    """One dense network trained continually, and classifiers that label each new data set."""
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
    """The same with fewer images, epochs and generations, but larger steps and smaller batches:
    with the original ones, generation 0 would learn only the mean of all digits."""
    config = ouroboros()
    config.num_samples = 10_000
    config.learner.epochs = 20
    config.learner.batch_size = 128
    config.learner.learning_rate = 1e-3
    config.learner.classifier_epochs = 5
    config.generations = 10
    return config

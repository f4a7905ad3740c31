"""Learners of images: variational autoencoders, with a lineage of classifiers beside them."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.images import OF_CLASSIFIERS, OF_VAE
from ouroboros_jax.settings.regimes import WEIGHTED, keeps_previous
from ouroboros_jax.settings.setting import TEMPERATURE, Entry, Point, Setting

_SIZES = Setting((), "", low=1, item=int)
_RATE = Setting(1e-3, "", traced=True, low=0.0)


def _check_vae(point: Point) -> None:
    if not point["learner.layer_sizes"]:
        raise UserError("learner.layer_sizes=() is a network without layers: expected at least one")
    name, previous = point["regime.name"], keeps_previous(point)
    if point["learner.points"] == "stream" and (previous or name in WEIGHTED):
        why = "regime.real_of='previous'" if previous else f"regime.name={name!r}"
        raise UserError(
            f"learner.points='stream' draws every epoch's images anew, and {why} has some of them "
            "kept or weighed: use learner.points='dataset'"
        )
    of_classifiers = [name for name in point["metrics"] if name in OF_CLASSIFIERS]
    if of_classifiers and not point["learner.classifier"]:
        raise UserError(
            f"metrics={of_classifiers[0]!r} is of classifiers: add learner.classifier=True"
        )


LEARNERS = {
    "vae": Entry(
        "ouroboros_jax.learners.vae:vae",
        "a variational autoencoder of images, optionally with a classifier that labels its images",
        {
            "network": Setting(
                "conv",
                "4 x 4 convolutions of stride 2, or dense layers",
                choices=("conv", "mlp"),
            ),
            "layer_sizes": _SIZES._replace(
                default=(64, 128),
                help="channels or units of the encoder's layers; the decoder mirrors them",
            ),
            "latent_dim": Setting(20, "numbers in a code, L", low=1),
            "initializer": Setting(
                "torch",
                "initial parameters: uniform in +-1/sqrt(fan_in), biases too, as in PyTorch "
                "(torch), or as in Flax (lecun)",
                choices=("torch", "lecun"),
            ),
            "conv_impl": Setting(
                "auto",
                "how convolutions are computed: by XLA's own (lax), by matrix products (matmul), "
                "or by whichever is faster on the backend (auto)",
                choices=("auto", "lax", "matmul"),
            ),
            "loss": Setting(
                "bce",
                "reconstruction loss, summed over pixels: binary cross-entropy or squared error",
                choices=("bce", "mse"),
            ),
            "beta": Setting(1.0, "weight of the KL divergence", traced=True, low=0.0),
            "epochs": Setting(30, "epochs of a generation's fit", low=1),
            "batch_size": Setting(256, "images per step", low=1),
            "learning_rate": _RATE._replace(help="Adam's learning rate"),
            "weight_decay": _RATE._replace(
                default=1e-5, help="weight decay as in PyTorch's Adam, added to the gradient"
            ),
            "points": Setting(
                "stream",
                "draw num_samples images anew for every epoch (stream), or once per generation "
                "(dataset)",
                choices=("stream", "dataset"),
            ),
            "pixels": Setting(
                "mean",
                "what a generated image is: the decoder's mean, or black and white pixels drawn "
                "with that probability",
                choices=("mean", "bernoulli"),
            ),
            "classifier": Setting(
                False,
                "train a classifier on each generation's labelled images, which labels the next's",
            ),
            "classifier_layer_sizes": _SIZES._replace(
                default=(512, 256, 128), help="units of the classifier's hidden layers"
            ),
            "classifier_epochs": Setting(10, "epochs of a generation's classifier", low=1),
            "classifier_learning_rate": _RATE._replace(
                help="Adam's learning rate for the classifier"
            ),
            "classifier_start": Setting(
                "fresh",
                "what the classifier's fit begins from: fresh parameters, or the previous "
                "generation's",
                choices=("fresh", "previous"),
            ),
            "num_scored": Setting(
                10_000, "generated images scored by the metrics in each generation", low=10
            ),
        },
        check=_check_vae,
        kind="images",
        sampler={
            "temperature": TEMPERATURE._replace(
                help="sampling temperature T: codes are drawn from a normal law of variance T"
            ),
            "truncation": Setting(
                10.0,
                "codes are drawn from within this many standard deviations of 0; 10 is as good as "
                "no bound",
                traced=True,
                low=0.0,
                open_low=True,
            ),
        },
        metrics=OF_VAE,
    ),
}

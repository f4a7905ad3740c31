"""Metrics of chains of images."""

from ouroboros_jax.metrics.names.name import Name

LABELLERS = {
    "": "this generation's classifier",
    "_first": "generation 0's classifier",
    "_judge": "a classifier of real data",
}
CODE_EDGES = (-5.0, 5.0, 100)  # of `latent_histogram`: from, to, bins
MATRICES = ("classifier_accuracy_matrix", "classifier_loss_matrix")
OF_CLASSIFIERS = (  # recorded if the learner has classifiers
    *("classifier_loss", "classifier_accuracy", "test_accuracy", "test_classifier_loss"),
    *("label_counts", "label_entropy", "label_share"),
    *("label_counts_first", "label_entropy_first", "label_share_first"),
    *MATRICES,
)


def _of_labels(suffix: str, whose: str) -> dict[str, Name]:
    named = f"labels by {whose}"
    return {
        f"label_counts{suffix}": Name(
            f"generated images of each class, {named}", "1", ("class",), "generated images"
        ),
        f"label_entropy{suffix}": Name(
            f"entropy of the classes of generated images, {named}",
            "nat",
            (),
            "entropy of the labels (nat)",
        ),
        f"label_share{suffix}": Name(
            f"share of the commonest class among generated images, {named}",
            "1",
            (),
            "share of the commonest class",
        ),
    }


NAMES: dict[str, Name] = {
    "reconstruction": Name(
        "reconstruction loss of an epoch, a mean over training images",
        "nat",
        ("epoch",),
        "reconstruction loss",
    ),
    "kl": Name(
        "divergence of an epoch's codes from the prior, a mean over training images",
        "nat",
        ("epoch",),
        "KL (nat)",
    ),
    "classifier_loss": Name(
        "cross-entropy of the classifier's epoch; NaN after its last",
        "nat",
        ("epoch",),
        "classifier loss (nat)",
    ),
    "classifier_accuracy": Name(
        "share of training labels that the classifier gave in an epoch; NaN after its last",
        "1",
        ("epoch",),
        "classifier accuracy",
    ),
    "latent_mean": Name(
        "mean over all coordinates of generation 0's codes of generated images",
        "1",
        (),
        "mean of the codes",
    ),
    "latent_std": Name(
        "standard deviation over all coordinates of generation 0's codes of generated images",
        "1",
        (),
        "standard deviation of the codes",
        "auto",
    ),
    "latent_histogram": Name(
        "density of generation 0's codes of generated images, all coordinates together",
        "1",
        ("bin",),
        "density of the codes",
    ),
    "test_elbo": Name(
        "evidence lower bound of held-out real images, a mean",
        "nat",
        (),
        "ELBO of held-out data (nat)",
    ),
    "test_accuracy": Name(
        "share of held-out real images that this generation's classifier gets right",
        "1",
        (),
        "accuracy on real data",
    ),
    "test_classifier_loss": Name(
        "cross-entropy of this generation's classifier on held-out real images",
        "nat",
        (),
        "classifier loss on real data (nat)",
    ),
    **{
        name: entry
        for suffix, whose in LABELLERS.items()
        for name, entry in _of_labels(suffix, whose).items()
    },
    "pairwise_distance": Name(
        "mean distance of two generated images", "data", (), "distance of two images"
    ),
    "frechet_distance": Name(
        "Frechet distance of generated to real images, in the features of a classifier of real "
        "data",
        "1",
        (),
        "Frechet distance",
        "auto",
    ),
    "precision": Name(
        "share of generated images that lie among real ones (5 neighbours)", "1", (), "precision"
    ),
    "recall": Name(
        "share of real images that lie among generated ones (5 neighbours)", "1", (), "recall"
    ),
    "classifier_accuracy_matrix": Name(
        "share of another generation's labels that this generation's classifier gives",
        "1",
        ("data_generation",),
        "accuracy",
    ),
    "classifier_loss_matrix": Name(
        "cross-entropy of this generation's classifier on another generation's labels",
        "nat",
        ("data_generation",),
        "loss (nat)",
    ),
}
OF_VAE = (*NAMES, "variance")  # `variance` is a metric of other models too

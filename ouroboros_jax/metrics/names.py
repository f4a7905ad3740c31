"""What metrics there are, and what each is called, measured in and drawn against.

No jax. Learners and the setting `metrics` take their names from here, `metrics.nc` its `long_name`,
`units` and `dims`, axes their labels and scales.
"""

from typing import NamedTuple

OF_MIXTURES = (  # recorded of every mixture, a Gaussian included
    "mean",
    "variance",
    "log_det_covariance",
    "mean_squared_error",
    "l2_squared",
    "w2_squared",
    "test_log_likelihood",
    "tail_mass",
)
OF_COMPONENTS = ("component_mean", "component_std", "separation", "weights")
OF_EM = ("em_steps", "converged", "lower_bound")
SCALES = ("linear", "log", "auto")


class Name(NamedTuple):
    """A metric in words.

    `dims` follow (chain, generation); of those in brackets in the comments one is absent where it
    has length one by nature. `scale` is the axis a figure takes: `auto` is logarithmic where the
    values span orders of magnitude.
    """

    long_name: str
    units: str = "1"
    dims: tuple[str, ...] = ()
    label: str = ""  # of an axis; the long name where empty
    scale: str = "linear"
    reference: float | None = None  # the value of the truth itself

    @property
    def axis_label(self) -> str:
        """What stands beside an axis."""
        return self.label or self.long_name


NAMES: dict[str, Name] = {
    "mean": Name("mean of the fitted model", "data", ("feature",), "mean"),
    "variance": Name(
        "variance of the fitted model, averaged over features", "data^2", (), "variance", "auto"
    ),
    "log_det_covariance": Name(
        "log determinant of the fitted covariance", "log data^2D", (), "ln det of the covariance"
    ),
    "mean_squared_error": Name(
        "squared distance of the fitted mean from the truth",
        "data^2",
        (),
        "squared error of the mean",
        "log",
    ),
    "l2_squared": Name(
        "squared L2 distance of densities to generation 0",
        "1/data^D",
        (),
        "squared L2 to generation 0",
        "log",
    ),
    "w2_squared": Name(
        "squared 2-Wasserstein distance to the truth, of Gaussians with equal moments",
        "data^2",
        (),
        "squared W2 to the truth",
        "log",
    ),
    "test_log_likelihood": Name(
        "mean log-likelihood of held-out real data",
        "nat",
        (),
        "log-likelihood of held-out data (nat)",
    ),
    "tail_mass": Name(
        "share of generated samples beyond the truth's 1% tails",
        "1",
        (),
        "share beyond the truth's 1% tails",
        "linear",
        0.02,
    ),
    "component_mean": Name(  # (component[, feature])
        "means of the components", "data", ("component", "feature"), "component mean"
    ),
    "component_std": Name(  # (component[, feature])
        "standard deviations of the components",
        "data",
        ("component", "feature"),
        "component standard deviation",
        "auto",
    ),
    "separation": Name(
        "smallest distance between components, in pooled standard deviations",
        "1",
        (),
        "separation (pooled standard deviations)",
        "auto",
    ),
    "weights": Name("weights of the components", "1", ("component",), "component weight"),
    "em_steps": Name("steps of expectation-maximisation in the fit", "1", (), "EM steps"),
    "converged": Name("whether the fit converged", "1", (), "share of chains that converged"),
    "lower_bound": Name(
        "mean log-likelihood of the training points", "nat", (), "training log-likelihood (nat)"
    ),
    "status": Name("status of the fit: 0 ok, 1 degenerate, 2 frozen", "1", (), "status"),
}
ONCE: dict[str, Name] = {  # once a run: the dims follow (chain,)
    "time_to_collapse": Name(
        "first generation below a share of the original variance; NaN where never",
        "generation",
        ("threshold",),
        "generations to collapse",
    ),
}
DERIVED: dict[str, Name] = {  # worked out by figures from the others
    "variance_ratio": Name(
        "variance relative to the original", "1", (), "variance / original variance", "auto", 1.0
    ),
}


def name_of(metric: str) -> Name:
    """The entry of a metric; of one that is not in the table, its own name in plain words."""
    for table in (NAMES, ONCE, DERIVED):
        if metric in table:
            return table[metric]
    return Name(metric.replace("_", " "))

"""Metrics of Gaussians and their mixtures."""

from ouroboros_jax.metrics.names.name import Name

OF_MIXTURES = (  # recorded for every mixture, including a Gaussian
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
}

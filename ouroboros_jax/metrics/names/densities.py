"""Metrics of kernel density estimates and of the symmetric mixture."""

from ouroboros_jax.metrics.names.name import Name

OF_KDE = ("mean", "variance", "mean_squared_error", "bandwidth", "test_log_likelihood")
OF_LOCATION = ("mean", "mean_squared_error", "test_log_likelihood")
OF_SYMMETRIC = ("half_distance", "std", "variance", "test_log_likelihood")
NAMES: dict[str, Name] = {
    "bandwidth": Name("bandwidth of the kernels", "data", (), "bandwidth", "auto"),
    "half_distance": Name(
        "distance of both components from 0", "data", (), "distance of the components from 0"
    ),
    "std": Name("standard deviation of both components", "data", (), "standard deviation", "auto"),
}

"""Metrics of laws on symbols and of Poisson rates."""

from ouroboros_jax.metrics.names.name import Name

OF_SYMBOLS = (  # recorded for every categorical law; three have their entries elsewhere
    "surviving",
    "heterozygosity",
    "entropy",
    "surviving_share",
    "surviving_mass",
    "rare_mass",
    "rare_surviving",
    "total_variation",
    "kl_to_truth",
    "max_probability",
    "is_fixated",
    "test_log_likelihood",
)
OF_RATES = ("is_alive", "rate", "mean_squared_error", "test_log_likelihood")
NAMES: dict[str, Name] = {
    "surviving": Name("symbols of probability above 0", "1", (), "surviving symbols", "auto"),
    "surviving_share": Name(
        "surviving symbols as a share of generation 0's",
        "1",
        (),
        "surviving symbols / those first seen",
        "linear",
    ),
    "surviving_mass": Name(
        "the truth's mass on surviving symbols", "1", (), "truth's mass on surviving symbols"
    ),
    "rare_mass": Name(
        "the model's mass on the truth's rarest symbols, which hold a tenth",
        "1",
        (),
        "mass on the truth's rarest symbols",
    ),
    "rare_surviving": Name(
        "survivors among the truth's rarest symbols, which hold a tenth of its mass",
        "1",
        (),
        "surviving rare symbols",
        "auto",
    ),
    "total_variation": Name(
        "total variation distance to the truth", "1", (), "total variation to the truth"
    ),
    "kl_to_truth": Name(
        "Kullback-Leibler divergence of the model from the truth",
        "nat",
        (),
        "KL(model || truth) (nat)",
    ),
    "is_fixated": Name(
        "whether one symbol is all that is left", "1", (), "share of chains with one symbol"
    ),
    "rate": Name("fitted rate", "1", (), "fitted rate", "linear"),
    "is_alive": Name("whether the fitted rate is above 0", "1", (), "share of chains alive", "log"),
}

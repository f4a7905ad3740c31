"""Metrics of a law on a few outcomes."""

from ouroboros_jax.metrics.names.name import Name

NAMES: dict[str, Name] = {
    "max_probability": Name("probability of the likeliest outcome", "1", (), "largest probability"),
    "deviation": Name(
        "largest distance of a probability from 1/K",
        "1",
        (),
        "largest deviation from uniform",
        "auto",
    ),
    "heterozygosity": Name(
        "probability that two draws differ, 1 - sum p^2", "1", (), "heterozygosity", "auto"
    ),
    "entropy": Name("entropy of the fitted law", "nat", (), "entropy (nat)"),
    "support": Name("outcomes of probability above 0", "1", (), "surviving outcomes"),
    "is_leader_kept": Name(
        "whether the likeliest outcome at the start is so still", "1", (), "share of kept leaders"
    ),
    "external_distance": Name(
        "Fisher-Rao distance to the external law",
        "rad",
        (),
        "Fisher-Rao distance to the external law",
        "auto",
    ),
    "step_error": Name(
        "largest change of a probability from halving the step, by 15", "1", (), "step error", "log"
    ),
    "probabilities": Name("probabilities of the outcomes", "1", ("outcome",), "probability"),
}
OF_HEAT_DEATH = tuple(NAMES)

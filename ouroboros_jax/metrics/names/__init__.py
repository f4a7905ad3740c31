"""All metrics and their names; a file for each kind of data.

Imports no jax. Learners and the setting `metrics` take names from here, `metrics.nc` its
`long_name`, `units` and `dims`, and figures their labels and scales.
"""

from ouroboros_jax.metrics.names import (
    densities,
    heat_death,
    mixtures,
    regression,
    symbols,
    text,
)
from ouroboros_jax.metrics.names.images import NAMES as OF_IMAGES
from ouroboros_jax.metrics.names.name import Name

__all__ = ["DERIVED", "NAMES", "ONCE", "Name", "name_of"]
NAMES: dict[str, Name] = {
    "status": Name("status of the fit: 0 ok, 1 degenerate, 2 frozen", "1", (), "status"),
    **mixtures.NAMES,
    **densities.NAMES,
    **regression.NAMES,
    **heat_death.NAMES,
    **symbols.NAMES,
    **text.NAMES,
    **OF_IMAGES,
}
ONCE: dict[str, Name] = {  # once a run: the dims follow (chain,)
    "time_to_collapse": Name(
        "first generation with the metric watched below a share of generation 0's; NaN where never",
        "generation",
        ("threshold",),
        "generations to collapse",
    ),
}
DERIVED: dict[str, Name] = {  # computed by figures from the others
    "variance_ratio": Name(
        "relative variance: to the truth's, or to generation 0's",
        "1",
        (),
        "variance ratio",
        "auto",
        1.0,
    ),
}


def name_of(metric: str) -> Name:
    """The entry of a metric; if it is not in the table, one with its own name in plain words."""
    for table in (NAMES, ONCE, DERIVED):
        if metric in table:
            return table[metric]
    return Name(metric.replace("_", " "))

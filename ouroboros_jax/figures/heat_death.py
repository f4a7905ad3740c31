"""Which pictures suit a run of the heat-death learner."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ouroboros_jax.figures.phases import has_phases, phase_diagram
from ouroboros_jax.figures.simplex import simplex
from ouroboros_jax.figures.study import Study
from ouroboros_jax.figures.trajectories import plot
from ouroboros_jax.figures.urn import is_polya, is_urn, polya, urn

MOST_LINES = 24  # cells that a plot against generation can show


def heat_death_figures(study: Study) -> dict[str, Callable[[], Figure]]:
    """The figures by file name, in order of interest; none for other learners."""
    if {cell.point.get("learner.name") for cell in study.cells} != {"heat_death"}:
        return {}
    if has_phases(study):
        return {"phase_diagram": lambda: phase_diagram(study)}
    chosen: dict[str, Callable[[], Figure]] = {}
    if study.has("probabilities"):
        if study.metrics["probabilities"].shape[2] == 3:
            chosen["simplex"] = lambda: simplex(study)
        if is_polya(study):
            chosen["polya"] = lambda: polya(study)
    has_both = study.has("max_probability") and study.has("deviation")
    if is_urn(study) and has_both and "polya" not in chosen:
        chosen["urn"] = lambda: urn(study)
    if len(study.cells) <= MOST_LINES:
        for metric in ("max_probability", "heterozygosity", "deviation"):
            if study.has(metric):
                chosen[metric] = lambda metric=metric: plot(study, metric)
    return chosen

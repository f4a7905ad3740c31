"""Which pictures suit a run of the heat-death learner."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ouroboros_jax.figures.cells import Study
from ouroboros_jax.figures.phases import has_phases, phase_diagram
from ouroboros_jax.figures.simplex import simplex
from ouroboros_jax.figures.trajectories import plot
from ouroboros_jax.figures.urn import is_polya, is_urn, polya, urn

MOST_LINES = 24  # cells that a plot against generation can show


def heat_death_figures(run: Study) -> dict[str, Callable[[], Figure]]:
    """The figures by file name, in order of interest; none for other learners."""
    if {cell.point.get("learner.name") for cell in run.cells} != {"heat_death"}:
        return {}
    if has_phases(run):
        return {"phase_diagram": lambda: phase_diagram(run)}
    chosen: dict[str, Callable[[], Figure]] = {}
    if run.has("probabilities"):
        if run.metrics["probabilities"].shape[2] == 3:
            chosen["simplex"] = lambda: simplex(run)
        if is_polya(run):
            chosen["polya"] = lambda: polya(run)
    has_both = run.has("max_probability") and run.has("deviation")
    if is_urn(run) and has_both and "polya" not in chosen:
        chosen["urn"] = lambda: urn(run)
    if len(run.cells) <= MOST_LINES:
        for metric in ("max_probability", "heterozygosity", "deviation"):
            if run.has(metric):
                chosen[metric] = lambda metric=metric: plot(run, metric)
    return chosen

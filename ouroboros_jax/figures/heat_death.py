"""Which figures suit a run of the heat-death learner."""

from collections.abc import Iterator
from functools import partial

from ouroboros_jax.figures.phases import has_phases, phase_diagram
from ouroboros_jax.figures.simplex import simplex
from ouroboros_jax.figures.study import Choice, Study
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.figures.urn import is_polya, is_urn, polya, urn

MOST_LINES = 24  # cells that a plot against generation can show


def heat_death_figures(study: Study) -> Iterator[Choice]:
    """The figures of the heat-death learner, in order of interest."""
    if has_phases(study):
        yield "phase_diagram", partial(phase_diagram, study)
        return
    if study.has("probabilities") and study.metrics["probabilities"].shape[2] == 3:
        yield "simplex", partial(simplex, study)
    has_both = study.has("max_probability") and study.has("deviation")
    if study.has("probabilities") and is_polya(study):
        yield "polya", partial(polya, study)
    elif is_urn(study) and has_both:
        yield "urn", partial(urn, study)
    if len(study.cells) <= MOST_LINES:
        yield from plots(study, "max_probability", "heterozygosity", "deviation")

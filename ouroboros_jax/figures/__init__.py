"""Pictures of runs: medians and quantile bands over chains, with the laws that hold beside them.

  trajectories  any metric against generation
  fits          components; Gaussian fits with their laws and errors
  evolution     the model itself at chosen generations
  tails         first against last generation; percentiles
  collapse      mean against typical path, survival beside its bound
  heat_death    which of simplex (trajectories), phases (phase diagrams) and urn suit a run
  discrete      symbols that survive, rank-frequency curves, rates that live on
  densities     kernel densities, and how long the symmetric mixture survives
  regression    error ratios of different estimators
  golden        the error that remains by the weight of real data
  samples       what the number of samples does
  comparison    paired differences
  forks         what a fork changed
  autoencoders  images: label counts, matrices, curves, codes
  pictures      grids of samples, codes followed through generations, the GIF
  language      perplexities, diversity, the same prompt continued
  study         what is drawn: the sweep's cells, their settings and laws
  words         settings in words
  style, bands, overlay, mixtures
                how it looks

`draw(run)` writes all figures that suit a run; every function returns its figure, takes a run or a
`Study` of one, leaves matplotlib's global state alone and never imports pyplot.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ouroboros_jax.figures.autoencoders import image_figures
from ouroboros_jax.figures.collapse import survival, typical_path
from ouroboros_jax.figures.comparison import compare_figure
from ouroboros_jax.figures.densities import density_figures
from ouroboros_jax.figures.discrete import discrete_figures
from ouroboros_jax.figures.evolution import evolution_panels
from ouroboros_jax.figures.fits import components, errors, fitted_gaussian, is_gaussian_1d, moments
from ouroboros_jax.figures.forks import fork_figures
from ouroboros_jax.figures.golden import golden_figures
from ouroboros_jax.figures.heat_death import heat_death_figures
from ouroboros_jax.figures.language import language_figures
from ouroboros_jax.figures.pictures import Animation
from ouroboros_jax.figures.regression import regression_figures
from ouroboros_jax.figures.samples import has_sizes, sample_sizes, sigma_against_n
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import save
from ouroboros_jax.figures.tails import first_and_last
from ouroboros_jax.figures.trajectories import plot
from ouroboros_jax.results import Run

__all__ = [
    "Study",
    "compare_figure",
    "components",
    "draw",
    "errors",
    "evolution_panels",
    "figures_of",
    "first_and_last",
    "fitted_gaussian",
    "moments",
    "plot",
    "sample_sizes",
    "sigma_against_n",
    "survival",
    "typical_path",
]


def figures_of(run: Run | Study) -> dict[str, Callable[[], Figure]]:
    """The figures that suit a run, by file name, in order of interest; none is drawn yet."""
    study = as_study(run)
    if study.last < 0:
        return {}
    learners = {cell.point.get("learner.name") for cell in study.cells}
    is_mixture, is_gaussian = learners == {"gmm"}, is_gaussian_1d(study)
    is_known = learners <= {"gaussian", "gmm"}
    chosen: dict[str, Callable[[], Figure]] = {}

    def add(name: str, condition: bool, function: Callable[..., Figure], *args: Any) -> None:
        if condition:
            chosen[name] = lambda: function(*args)

    def add_plot(metric: str, condition: bool = True) -> None:
        add(metric, condition and study.has(metric), plot, study, metric)

    has_both = study.has("mean") and study.has("variance")
    add("evolution", is_known and is_mixture, evolution_panels, study)
    add("components", study.has("component_mean") and study.has("component_std"), components, study)
    add("typical_path", is_gaussian and study.has("variance"), typical_path, study)
    add_plot("variance_ratio")
    add("sample_sizes", has_sizes(study) and study.has("variance"), sample_sizes, study)
    add("errors", is_gaussian and has_both, errors, study)
    add("fitted", is_gaussian and has_both, fitted_gaussian, study)
    add_plot("l2_squared", not is_gaussian)
    pair = study.has("log_det_covariance") and study.has("mean_squared_error")
    is_simple = len(study.factors) <= 1
    add("moments", not is_mixture and pair and is_simple, moments, study)
    add_plot("log_det_covariance", not is_mixture and not (pair and is_simple))
    add_plot("mean_squared_error", not is_mixture and not (pair and is_simple))
    add_plot("tail_mass")
    add_plot("test_log_likelihood", not study.has("tail_mass"))
    add("survival", "time_to_collapse" in study.metrics, survival, study)
    add("evolution", is_known, evolution_panels, study)
    add("first_and_last", is_known, first_and_last, study)
    sizes = is_gaussian and has_sizes(study)
    estimator = study.cells[0].point.get("learner.estimator", "mle")
    add("sigma_against_n", sizes, lambda: sigma_against_n(estimator=estimator))
    for figures in (golden_figures, density_figures, regression_figures):
        chosen = figures(study) | chosen
    chosen = image_figures(study) | chosen
    chosen |= heat_death_figures(study)
    chosen |= fork_figures(study)
    chosen |= language_figures(study)
    chosen |= discrete_figures(study)
    return chosen


def draw(run: Run | Study) -> list[Path]:
    """Writes the figures that suit a run into `run.workdir`/figures.

    A figure that cannot be drawn is named in the log and left out: the run's results are not lost
    over a picture.

    Args:
      run: a run with a workdir.

    Returns:
      The files, in order of interest; PNG, and PDF after it if `figures.pdf`.
    """
    study = as_study(run)
    if study.run.workdir is None:
        raise ValueError("draw needs a run with a workdir; without one, use plot")
    folder = Path(study.run.workdir) / "figures"
    pdf = bool(study.run.config.figures.pdf)
    written = []
    for name, make in figures_of(study).items():
        try:
            made = make()
            animated = isinstance(made, Animation)
            written += made.save(folder, name) if animated else save(made, folder, name, pdf=pdf)
        except Exception:
            logging.getLogger(__name__).exception("the figure %s could not be drawn", name)
    return written

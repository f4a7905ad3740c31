"""Figures of runs: medians and quantile bands over chains, beside the laws that hold.

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
  choice        which figures suit a run
  study         what is drawn: the sweep's cells, their settings and laws
  words         settings in words
  style, bands, overlay, mixtures
                how it looks

`draw(run)` writes all figures that suit a run; every function returns its figure, takes a run or a
`Study` of one, leaves matplotlib's global state alone and never imports pyplot.
"""

import logging
from pathlib import Path

from ouroboros_jax.errors import UserError
from ouroboros_jax.figures.choice import figures_of
from ouroboros_jax.figures.collapse import survival, typical_path
from ouroboros_jax.figures.comparison import compare_figure
from ouroboros_jax.figures.evolution import evolution_panels
from ouroboros_jax.figures.fits import components, errors, fitted_gaussian, moments
from ouroboros_jax.figures.pictures import Animation
from ouroboros_jax.figures.samples import sample_sizes, sigma_against_n
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


def draw(run: Run | Study) -> list[Path]:
    """Write the figures that suit a run into `run.workdir`/figures.

    A figure that cannot be drawn is named in the log and left out, so that a run does not fail over
    a picture.

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
            # A PDF that is there is drawn again, or it would show less than the picture beside it.
            both = pdf or (folder / f"{name}.pdf").is_file()
            written += made.save(folder, name) if animated else save(made, folder, name, pdf=both)
        except UserError as error:
            logging.getLogger(__name__).warning("the figure %s is left out: %s", name, error)
        except Exception:
            logging.getLogger(__name__).exception("the figure %s could not be drawn", name)
    return written

"""Which figures suit a run, by its learner."""

from collections.abc import Callable, Iterator
from functools import partial

from matplotlib.figure import Figure

from ouroboros_jax.figures.autoencoders import image_figures
from ouroboros_jax.figures.collapse import survival, typical_path
from ouroboros_jax.figures.densities import kernel_figures, symmetric_figures
from ouroboros_jax.figures.discrete import count_figures, symbol_figures
from ouroboros_jax.figures.evolution import evolution_panels
from ouroboros_jax.figures.fits import components, errors, fitted_gaussian, is_gaussian_1d, moments
from ouroboros_jax.figures.forks import fork_figures
from ouroboros_jax.figures.golden import golden_figures
from ouroboros_jax.figures.heat_death import heat_death_figures
from ouroboros_jax.figures.language import language_figures
from ouroboros_jax.figures.regression import regression_figures
from ouroboros_jax.figures.samples import has_sizes, sample_sizes, sigma_against_n
from ouroboros_jax.figures.study import Choice, Study, as_study
from ouroboros_jax.figures.tails import first_and_last
from ouroboros_jax.figures.trajectories import plots
from ouroboros_jax.results import Run


def figures_of(run: Run | Study) -> dict[str, Callable[[], Figure]]:
    """The figures that suit a run, by file name, in order of interest; none is drawn yet."""
    study = as_study(run)
    if study.last < 0:
        return {}
    rooms = MIXED
    if len(study.learners) == 1:
        rooms = BY_LEARNER.get(*study.learners, (common_figures,))
    chosen: dict[str, Callable[[], Figure]] = {}
    for figures in (*rooms, fork_figures):
        for name, make in figures(study):
            chosen.setdefault(name, make)
    return chosen


def common_figures(study: Study) -> Iterator[Choice]:
    """The figures for metrics of any learner."""
    yield from _departures(study)
    yield from _moments(study)
    yield from _test(study)
    yield from _survival(study)


def gaussian_figures(study: Study) -> Iterator[Choice]:
    """The figures of Gaussians; most are for one-dimensional chains."""
    is_1d = is_gaussian_1d(study)
    if is_1d and study.has("variance"):
        yield "typical_path", partial(typical_path, study)
    yield from plots(study, "variance_ratio")
    yield from _sizes(study)
    if is_1d and study.has("mean") and study.has("variance"):
        yield "errors", partial(errors, study)
        yield "fitted", partial(fitted_gaussian, study)
    if not is_1d:
        yield from plots(study, "l2_squared")
    yield from _moments(study)
    yield from _test(study)
    yield from _survival(study)
    yield from model_figures(study)
    if is_1d and has_sizes(study):
        estimator = study.cells[0].point["learner.estimator"]
        yield "sigma_against_n", partial(sigma_against_n, estimator=estimator)


def mixture_figures(study: Study) -> Iterator[Choice]:
    """The figures of mixtures, without those of moments."""
    yield "evolution", partial(evolution_panels, study)
    yield from _departures(study)
    yield from _test(study)
    yield from _survival(study)
    yield "first_and_last", partial(first_and_last, study)


def model_figures(study: Study) -> Iterator[Choice]:
    """The models themselves, if they are Gaussians or mixtures."""
    if study.learners <= {"gaussian", "gmm"}:
        yield "evolution", partial(evolution_panels, study)
        yield "first_and_last", partial(first_and_last, study)


def _departures(study: Study) -> Iterator[Choice]:
    """How models depart from the first: in components, in variance, and as a whole."""
    yield from _components(study)
    yield from plots(study, "variance_ratio")
    yield from _sizes(study)
    yield from plots(study, "l2_squared")


def _components(study: Study) -> Iterator[Choice]:
    if study.has("component_mean") and study.has("component_std"):
        yield "components", partial(components, study)


def _sizes(study: Study) -> Iterator[Choice]:
    if has_sizes(study) and study.has("variance"):
        yield "sample_sizes", partial(sample_sizes, study)


def _moments(study: Study) -> Iterator[Choice]:
    """Covariance and mean, side by side if there are few lines."""
    pair = "log_det_covariance", "mean_squared_error"
    if all(study.has(metric) for metric in pair) and len(study.factors) <= 1:
        yield "moments", partial(moments, study)
    else:
        yield from plots(study, *pair)


def _test(study: Study) -> Iterator[Choice]:
    yield from plots(study, "tail_mass" if study.has("tail_mass") else "test_log_likelihood")


def _survival(study: Study) -> Iterator[Choice]:
    if "time_to_collapse" in study.metrics:
        yield "survival", partial(survival, study)


def _languages(study: Study) -> Iterator[Choice]:
    if study.learners <= {"lm", "ngram"}:
        yield from language_figures(study)


Figures = Callable[[Study], Iterator[Choice]]
BY_LEARNER: dict[str, tuple[Figures, ...]] = {  # if a name occurs twice, the first one is drawn
    "gaussian": (golden_figures, gaussian_figures),
    "gmm": (mixture_figures,),
    "kde": (kernel_figures, common_figures),
    "symmetric_gmm": (symmetric_figures, common_figures),
    "linear_regression": (regression_figures, common_figures),
    "logistic_regression": (regression_figures, common_figures),
    "categorical": (symbol_figures, common_figures),
    "poisson": (count_figures, common_figures),
    "heat_death": (heat_death_figures, common_figures),
    "lm": (language_figures, common_figures),
    "ngram": (language_figures, common_figures),
    "vae": (image_figures, common_figures),
}
MIXED: tuple[Figures, ...] = (regression_figures, _languages, common_figures, model_figures)

"""The effect of a fork's changes: paired differences to its source, if that is available."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ouroboros_jax.analysis.paired import difference
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures.study import Choice, Study
from ouroboros_jax.figures.style import QUIET
from ouroboros_jax.forks.lineage import fingerprint, origin_in
from ouroboros_jax.results import Run, open_run

SHOWN = ("variance", "test_log_likelihood", "test_loss", "test_elbo", "log_det_covariance")
MAX_CURVES = 8


def fork_figures(study: Study) -> Iterator[Choice]:
    """The figure of a fork; none for other runs."""
    if study.forked is None or len(study.cells) > MAX_CURVES:
        return
    origin = origin_in(study.run.manifest)
    metrics = [name for name in SHOWN if study.has(name)]
    if origin.workdir is None or not metrics or not (Path(origin.workdir) / "run.json").is_file():
        return
    try:
        source = open_run(origin.workdir)
    except UserError:
        return
    if fingerprint(source.config, source.manifest) != origin.source or source.generation < 1:
        return
    yield "difference_to_source", partial(_difference, source, study.run, metrics[0])


def _difference(source: Run, fork: Run, metric: str) -> Figure:
    figure = difference(source, fork, metric, names=("source", "fork")).plot()
    last = fork.groups[0].forked
    for ax in figure.axes:
        ax.axvline(last, color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0.6)
    return figure

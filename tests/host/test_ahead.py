"""Compiling ahead: what a run will call, in order, without running it."""

import jax
import numpy as np
import pytest

from ouroboros_jax.config import new_config
from ouroboros_jax.forks.lineage import groups_of
from ouroboros_jax.host.ahead import GROUPS_AHEAD, compiled_ahead
from ouroboros_jax.host.progress import Progress
from ouroboros_jax.programs.build import build

GENERATIONS = 9  # a memory of eight data sets grows on the way

CASES = {
    "statistics": {"regime": "fresh"},
    "points": {"regime": "accumulate", "learner.draw": "samples", "num_samples": "linear(8, 3)"},
    "subsample": {"regime": "accumulate_subsample", "learner.draw": "samples"},
}


def make(**settings):
    regime = settings.pop("regime")
    config = new_config(
        learner="gaussian", regime=regime, data="normal", chains=3, chain_block=1,
        generations=GENERATIONS, **{"num_samples": 8, **settings},
    )  # fmt: skip
    return build(groups_of(config, None)[0], 1)


def go(program):
    """The variances on the way, a call each, as far as memories reach."""
    progress, found = Progress(program), []
    while progress.generation < GENERATIONS:
        most = progress.stretch(GENERATIONS - progress.generation)
        found.append(progress.work(max(1, min(most, 2)))[1]["variance"])
    return np.concatenate(found)


@pytest.fixture(scope="module")
def compiled_on_the_side():
    """What JAX compiles once a process, whatever it runs."""
    go(make(**CASES["statistics"]))


@pytest.mark.usefixtures("compiled_on_the_side")
@pytest.mark.parametrize("case", CASES)
def test_what_was_compiled_ahead_is_what_runs(case, compilations):
    program = make(**CASES[case])
    assert len(list(Progress(program).compiling(GENERATIONS))) > 1 - program.from_blank
    assert len(compilations) >= 2
    compilations.clear()
    assert np.isfinite(go(program)).all()
    assert not compilations


@pytest.mark.parametrize("x64", [False, True])
def test_programs_come_in_order_and_only_so_many_ahead(x64, monkeypatch):
    built = []
    monkeypatch.setattr(Progress, "compiling", lambda self, generations: ())

    def maker(place):
        def build_it():
            built.append((place, jax.numpy.ones(1).dtype.itemsize))
            return make(regime="replace", num_samples=8 + place)

        return build_it

    places = range(GROUPS_AHEAD + 5)
    makers = [None if place == 2 else maker(place) for place in places]
    for place, program in zip(places, compiled_ahead(makers, x64=x64), strict=True):
        assert (program is None) == (place == 2)
        if program:
            assert program.group.point["num_samples"] == 8 + place
        assert max(built)[0] <= place + GROUPS_AHEAD
    assert sorted(built) == [(place, 8 if x64 else 4) for place in places if place != 2]

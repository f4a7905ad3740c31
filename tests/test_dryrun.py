"""A dry run foretells programs and bytes, at once, however many generations are planned."""

import re

import pytest

import ouroboros_jax as oj
from ouroboros_jax.dryrun import dry_run
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand

UNITS = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def told(text: str, what: str) -> float:
    """The number, in bytes where it has a unit, after `what`."""
    number, unit = re.search(rf"{what}: ([\d.e+]+) ?([KMGT]?B)?", text).groups()
    return float(number) * UNITS[unit or "B"]


def test_disk_is_what_a_run_takes(tmp_path):
    config = oj.load_config("gaussian", {"chains": 2000, "generations": 250, "store.segment": 50})
    text = dry_run(config)
    oj.run(config, workdir=tmp_path / "run", progress=False, figures=False)
    kept = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and "resume" not in p.parts]
    assert told(text, "on disk") == pytest.approx(sum(p.stat().st_size for p in kept), rel=0.25)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"regime.name": "accumulate", "learner.draw": "samples"},
        {"regime.name": "accumulate_subsample"},
        {"num_samples": "linear(10, 90)"},
        {"num_samples": "linear(10, 90)", "regime.name": "accumulate", "learner.draw": "samples"},
    ],
)
def test_programs_are_the_capacities_that_occur(settings):
    """Counted one generation after another; a first fit of its own is a program more."""
    config = oj.load_config("gaussian", {"chains": 2, "generations": 60} | settings)
    (group,) = expand(config)
    program = build(group)
    alone = 0 if program.from_blank else 1
    sizes = {program.sizes.capacity(g) for g in range(alone, 61)}
    assert told(dry_run(config), "compilations") == alone + len(sizes)


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_a_run_without_end_is_foretold_at_once(regime):
    """A loop over two thousand million generations would not come back."""
    settings = {"generations": 2**31 - 2, "regime.name": regime, "num_samples": 10}
    text = dry_run(oj.load_config("gaussian", settings))
    assert told(text, "on disk") > 1e12


def test_schedules_over_many_generations():
    settings = {"generations": 50_000, "num_samples": "linear(10, .001)", "chains": 500}
    text = dry_run(oj.load_config("gaussian", settings))
    assert told(text, "compilations") == 3  # of 16, 32 and 64 slots


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_network_is_timed_by_its_pieces(epochs, monkeypatch):
    """Of two fits, one begun by itself and both ended, and of one draw, on a clock that each call
    moves by a second; a fit of one epoch ends in the same call."""
    settings = {"data.name": "digits", "num_samples": 64, "generations": 1, "metrics": ("kl",)}
    settings |= {"learner.epochs": epochs, "data.num_test": 10}

    def tick(work):
        work()
        return 1.0

    monkeypatch.setattr("ouroboros_jax.dryrun._seconds", tick)
    text = dry_run(oj.load_config("vae", settings), timed=True)
    whole = {1: 1 + 2 * 1 + 1, 2: 1 + 2 * (2 + 1) + 1}[epochs]
    assert re.search(rf"compile, {whole} s to run", text)


def test_what_no_regime_reads_is_said():
    settings = {"regime.window": 5}
    assert "regime.window is not read" in dry_run(oj.load_config("gaussian", settings))


def test_memory_counts_the_fit_under_way():
    """Adam's moments and the best epoch's parameters are as large as the parameters, each."""
    lean = {"chains": 2, "generations": 1, "num_samples": 8, "data.num_test": 4}
    config = oj.load_config("lm", lean | {"learner.width": 64, "data.tokenizer": "bytes"})
    (group,) = expand(config)
    program = build(group)
    assert program.fit_bytes > 4 * program.parameter_bytes // 2
    assert program.fit_bytes < 4.1 * program.parameter_bytes // 2

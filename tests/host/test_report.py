"""What a run says of its pace, on a clock of our own."""

import pytest

from ouroboros_jax.host import report as module
from ouroboros_jax.host.report import Report


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    return clock


def begin(report, name="", there=-1):
    """A group of which generations up to `there` are there, about to compile."""
    report.group(name, "10 chains")
    report.resume(there)
    report.step("compiling the loop", there)


def test_the_pace_leaves_out_the_first_compilation(clock, capsys):
    with Report(100) as report:
        begin(report)
        clock.now += 50
        report.step("running", 9)
        clock.now += 2
        report.step("running", 19)
    assert capsys.readouterr().err.splitlines()[-1] == "generation 19 (20%, about 16 s left)"


def test_later_groups_compile_too(clock, capsys):
    """Two groups of four took 10 s each, compilation included: 20 s are left, whatever the pace."""
    with Report(40) as report:
        for name in ("g000", "g001"):
            begin(report, name)
            clock.now += 8
            report.step("running", 4)
            clock.now += 2
            report.step("running", 9)
    assert capsys.readouterr().err.splitlines()[-1] == ("g001: generation 9 (50%, about 20 s left)")


def test_what_was_there_before_took_no_time(clock, capsys):
    with Report(40) as report:
        report.group("g000", "10 chains")
        report.resume(9)
        report.step("running", 9)
        begin(report, "g001", there=4)
        clock.now += 10
        report.step("running", 9)
    assert capsys.readouterr().err.splitlines()[-1] == ("g001: generation 9 (50%, about 40 s left)")


def test_a_piece_that_counts_for_nothing_is_not_told_twice(clock, capsys):
    with Report(10) as report:
        begin(report)
        for _ in range(3):
            clock.now += 5
            report.step("running", 0.5)
    assert capsys.readouterr().err.count("generation 1 is 50% done") == 1

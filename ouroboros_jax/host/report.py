"""Progress reports: a bar with ETA on a terminal, log lines elsewhere."""

import math
import sys
import time

from ouroboros_jax.host.interrupt import Interrupt


class Report:
    """Progress of a run of several groups, on stderr; silent if `quiet`."""

    def __init__(self, total: int, *, quiet: bool = False):
        self._total, self._done = total, 0
        self._begun = self._said = time.monotonic()
        # When timing of the first group began, and `_done` then.
        self._ran: tuple[float, float] | None = None
        self._logged = 0.0  # `_done` at the last log line
        self._there = 0.0  # how many of `_done` existed before this run
        self._name, self._label = "", ""  # of the group
        self._compiling, self._is_first, self._reached = False, True, 0.0
        self._quiet = quiet
        self._interrupt = Interrupt()
        self._bar = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description:<23}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f} generations"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("compiling", total=total)

    def __enter__(self):
        self._interrupt.__enter__()
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_):
        if self._bar:
            self._bar.stop()
        self._interrupt.__exit__()

    def say(self, line: str) -> None:
        """Print a line."""
        if self._quiet:
            return
        if self._bar:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def group(self, name: str, label: str) -> None:
        """A group of chains begins."""
        self._name = f"{name}: " if name else ""
        self._label = label
        self._compiling, self._reached = False, 0
        self._is_first = not self._done

    def resume(self, generation: int) -> None:
        """Generations of the group up to this one existed before."""
        self._reached = generation + 1
        self._done += self._reached
        self._there += self._reached

    def note(self, line: str) -> None:
        """A line about the group."""
        self.say(f"{self._name}{line}")

    def step(self, what: str, generation: float) -> None:
        """`what` is "running" or names what is being compiled; `generation` is the newest finished
        one plus the fraction of the next that is done.

        Raises:
          KeyboardInterrupt: if a signal has come and its exception was lost.
        """
        self._interrupt.check()
        now = time.monotonic()
        if what != "running":
            if not self._bar:
                self.say(f"{self._name}{what} ({self._label})")
            self._compiling = True
        else:
            self._done += max(0, generation + 1 - self._reached)
            self._reached = max(self._reached, generation + 1)
            if self._compiling:
                self._compiling, self._ran = False, (now, self._done)
        if self._bar:
            self._bar.update(self._task, description=what, completed=self._done)
        elif what == "running" and (self._done == self._total or now - self._said >= 1):
            self._said = now
            self._log(generation, now)

    def _log(self, generation: float, now: float) -> None:
        if generation < 0 and generation == math.floor(generation):
            return  # begun, with nothing to report yet
        if self._done == self._logged:
            return  # no progress since the last line
        self._logged = self._done
        left = ""
        # In the first group, the pace is that of the calls after the one that compiled. Later
        # groups compile too, so the whole run's pace is better there.
        since, begun = self._ran or (now, self._done)
        if not self._is_first:
            since, begun = self._begun, self._there
        if begun < self._done < self._total and now - since > 1:
            pace = (now - since) / (self._done - begun)
            left = f", about {duration(pace * (self._total - self._done))} left"
        self.say(
            f"{self._name}generation {_shown(generation)} "
            f"({100 * self._done // self._total:.0f}%{left})"
        )


def _shown(generation: float) -> str:
    """A generation, or how much of the next is done: `3`, `4 is 20% done`."""
    part = generation - math.floor(generation)
    if part:
        return f"{math.floor(generation) + 1} is {100 * part:.0f}% done"
    return f"{generation:.0f}"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(num_bytes: float) -> str:
    """`12.3 MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"

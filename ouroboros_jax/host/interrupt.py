"""Ctrl-C and SIGTERM: stop a run once, at a place where nothing is lost."""

import signal
import threading

PATIENCE = 3  # signals after which a run stops wherever it is


class Interrupt:
    """Turns the first SIGINT or SIGTERM into a KeyboardInterrupt, and lets what follows be written.

    Python drops an exception that a signal raises inside a callback, so `check` raises it again at
    the next safe place. More signals are ignored while the run writes what it has, up to a third.
    Inside a thread other than the main one, signals stay as they are.
    """

    def __init__(self):
        self._count = 0
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self._count:
            raise KeyboardInterrupt

    def _on_signal(self, number, frame) -> None:
        self._count += 1
        if self._count == 1 or self._count >= PATIENCE:
            raise KeyboardInterrupt

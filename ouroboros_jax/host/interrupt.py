"""Ctrl-C and SIGTERM: stop a run once, at a place where nothing is lost."""

import signal
import threading

PATIENCE = 3  # at this many signals a run stops wherever it is


class Interrupt:
    """Turn the first SIGINT or SIGTERM into a KeyboardInterrupt, and let the run write what it has.

    Python drops an exception that a signal raises inside a callback, so `check` raises it again at
    the next safe place. A second signal is ignored while the run writes; a third stops it. In
    threads other than the main one, signals are left alone.
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

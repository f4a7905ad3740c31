"""Ctrl-C at a chosen moment, for the tests of resuming."""

from contextlib import contextmanager

import pytest

from ouroboros_jax.host.progress import Progress
from ouroboros_jax.host.report import Report


@contextmanager
def interrupted_after(num_pieces: int):
    """What runs inside is interrupted once it has done `num_pieces` pieces of work."""
    pieces, work = [], Progress.work

    def cut(self, num):
        if len(pieces) == num_pieces:
            raise KeyboardInterrupt
        pieces.append(num)
        return work(self, num)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "work", cut)
        with pytest.raises(KeyboardInterrupt):
            yield


def cut_after(patch: pytest.MonkeyPatch, generation: int) -> None:
    """Ctrl-C once `generation` is reached."""
    step = Report.step

    def report(self, what, reached):
        step(self, what, reached)
        if what == "running" and reached >= generation:
            raise KeyboardInterrupt

    patch.setattr(Report, "step", report)

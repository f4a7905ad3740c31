"""Ctrl-C at a chosen moment, for the tests of resuming."""

from contextlib import contextmanager

import pytest

from ouroboros_jax.host.progress import Progress


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

"""Parameters on disk: the only file that knows Orbax.

A `Steps` is a directory of numbered steps, each a few named trees of arrays. Trees go in as any
pytree and come back as nested dicts and lists of NumPy arrays; `like` gives them their types back.
"""

import contextlib
import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from ouroboros_jax.errors import UserError, reason

LARGE = 1 << 20  # arrays of at least this many bytes are written without a copy
AT_A_TIME = 1 << 28  # bytes being written at once


class Damaged(UserError):
    """Stored arrays that cannot be read back."""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence Orbax's log lines about every step, and its long report on every damaged file."""
    loggers = logging.getLogger("absl"), logging.getLogger("asyncio")
    before = [logger.level for logger in loggers]
    for logger in loggers:  # what is wrong is raised
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


class Steps:
    """Steps of a run, by number; all of them are kept, or only the `newest`.

    A step is whole or absent: Orbax writes under a temporary name and renames. What a writer that
    was killed has left is removed by the next one, `cleans`, which must be the only one.
    """

    @_quietly()
    def __init__(self, path: Path, *, only_newest: bool = False, cleans: bool = False):
        training = ocp.training
        self.path = Path(path)
        for left in self.path.glob("*.orbax-checkpoint-tmp*") if cleans else ():
            shutil.rmtree(left, ignore_errors=True)
        keep = training.preservation_policies.LatestN(1) if only_newest else None
        # The default decision would skip a save while another is under way.
        every = training.save_decision_policies.FixedIntervalPolicy(1)
        self._orbax = training.Checkpointer(
            self.path.absolute(), save_decision_policy=every, preservation_policy=keep
        )

    @_quietly()
    def steps(self) -> list[int]:
        """Numbers of the stored steps, ascending."""
        return sorted(checkpoint.step for checkpoint in self._orbax.checkpoints)

    @_quietly()
    def save(self, step: int, **trees: Any) -> None:
        """Store `trees`, host or device arrays, as step `step`; returns when it is on disk.

        A step that already exists is left alone: it was written just before an interrupt.
        """
        if step in self.steps():
            return
        with ocp.Context(
            memory_options=ocp.options.MemoryOptions(write_concurrent_bytes=AT_A_TIME)
        ):
            self._orbax.save_checkpointables(step, jax.tree.map(_to_write, plain(trees)))

    @_quietly()
    def load(self, step: int, name: str) -> Any:
        """The tree `name` of a step, nested dicts and lists of NumPy arrays.

        Raises:
          Damaged: if the files of the step cannot be read.
        """
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sharding info not provided")
                # Without a target, arrays come back in the shapes and dtypes on disk.
                tree = self._orbax.load_checkpointables(step, {name: None})[name]
            return jax.tree.map(np.asarray, tree)
        except Exception as error:  # Orbax and TensorStore raise many kinds
            raise Damaged(f"{self.path / str(step)} is damaged: {reason(error)}") from error

    @_quietly()
    def drop_after(self, step: int) -> None:
        """Delete the steps newer than `step`."""
        for newer in self.steps():
            if newer > step:
                self._orbax.delete(newer)

    @_quietly()
    def close(self) -> None:
        """Wait for pending writes."""
        self._orbax.close()


def _to_write(array: Any) -> np.ndarray | jax.Array:
    """An array as Orbax takes it. Orbax copies NumPy arrays first, all at once, but not jax's;
    arrays saved from the CPU can be read back on any machine."""
    array = np.asarray(array)
    if array.nbytes < LARGE or jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        return array
    return jax.device_put(array, jax.devices("cpu")[0])


def plain(tree: Any) -> Any:
    """NamedTuples as dicts, tuples as lists; leaves as they are."""
    if hasattr(tree, "_fields"):
        return {name: plain(value) for name, value in zip(tree._fields, tree, strict=True)}
    if isinstance(tree, dict):
        return {name: plain(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(value) for value in tree]
    return tree


def like(template: Any, tree: Any) -> Any:
    """The inverse of `plain`: `tree` in the types of `template`."""
    if hasattr(template, "_fields"):
        return type(template)(
            *(like(value, tree[n]) for n, value in zip(template._fields, template, strict=True))
        )
    if isinstance(template, dict):
        return {name: like(value, tree[name]) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return type(template)(like(a, b) for a, b in zip(template, tree, strict=True))
    return tree

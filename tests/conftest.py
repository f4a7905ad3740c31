"""Strict ranks, two CPU devices, and compiled programs shared between the runs of a module."""

import dataclasses
import gc
import os
import sys
from pathlib import Path

import jax
import pytest

from ouroboros_jax.programs.build import build
from ouroboros_jax.programs.factories import make_real
from ouroboros_jax.programs.program import Program
from ouroboros_jax.sweep import Group

sys.path.insert(0, str(Path(__file__).parent))  # where `toys` lies, for `learner.name = "toys:..."`
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)  # before the backend starts
gc.set_threshold(50_000, 20, 50)  # traces are many small objects, which live long
if jax.__version_info__[:2] == (0, 10):
    # XLA's older emitters compile in half the time; later versions have no others than the new
    # ones. `XLA_FLAGS= pytest` tests the programs that users run.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")


def pytest_xdist_auto_num_workers():
    """One worker more than there are cores: tests wait for disks and for other processes, too."""
    return os.cpu_count() + 1


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_let_go():
    """With their module: a worker goes through dozens, and would hold 5 GB at the end."""
    yield
    jax.clear_caches()
    gc.collect()


NO_BITS = ("generations", "chains", "sweep", "seed", "store.every")


def _identity(group: Group, devices) -> str:
    point = {key: value for key, value in group.point.items() if key not in NO_BITS}
    columns = [(path, repr(c.values), c.index.tobytes()) for path, c in group.columns.items()]
    chains = group.seeds.tobytes(), group.replicates.tobytes()
    data = make_real(group.point).sha256
    eras = [
        (before.last, {k: v for k, v in before.point.items() if k not in NO_BITS})
        for before in group.before
    ]
    return repr((point, columns, chains, data, jax.config.jax_enable_x64, devices, eras))


@pytest.fixture(scope="module")
def compiled_once():
    """Runs of the same chains share their compiled functions, however many generations they have.

    What runs is what would run anyway; it compiles once a module instead of once a call.
    """
    programs, alone = {}, {}
    only = Program.only

    def shared_build(group, chain_block="auto", devices=None):
        identity = _identity(group, devices)
        if (identity, chain_block) not in programs:
            program = build(group, chain_block, devices)
            programs[identity, chain_block] = programs[identity, program.layout.block] = program
        return programs[identity, chain_block].of(group)

    def shared_only(program, chain):
        found = only(program, chain)
        compiled = alone.setdefault((id(program.compiled), chain), {})
        if found.layout.num_blocks == program.layout.num_blocks:
            compiled = program.compiled  # for arrays of the same shapes
        return dataclasses.replace(found, compiled=compiled)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ouroboros_jax.experiment.build", shared_build)
        patch.setattr("ouroboros_jax.forks.fork.build", shared_build)
        patch.setattr("ouroboros_jax.programs.build.build", shared_build)  # `Run` looks it up there
        patch.setattr(Program, "only", shared_only)
        yield programs


@pytest.fixture(scope="module")
def quick_compilation():
    """Compile without optimisation, for tests of what is computed and not of its bits or speed."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def compilations():
    """Counts what XLA compiles."""
    found = []

    def listen(name, seconds, **_):
        if name == "/jax/core/compile/backend_compile_duration":
            found.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def key_reuse():
    """A key used twice is an error."""
    with jax.debug_key_reuse(True):
        yield

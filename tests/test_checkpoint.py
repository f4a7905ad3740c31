"""Arrays on disk come back as they were, small and large, of every type that is stored."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from ouroboros_jax.checkpoint import LARGE, Damaged, Steps, like

LONG = LARGE // 4 + 1  # float32 numbers, enough to be written in another way than few
TREE = {
    "few": np.linspace(0, 1, 5, dtype=np.float32),
    "many": np.linspace(0, 1, LONG, dtype=np.float32),
    "wide": np.linspace(0, 1, LONG, dtype=np.float64),
    "whole": [np.arange(LONG, dtype=np.int32), np.arange(LARGE, dtype=np.uint8)],
    "said": np.ones((2, 3), bool),
    "scalar": np.int32(7),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("steps")
    steps = Steps(path)
    steps.save(3, tree=TREE, other={"a": np.zeros(1)})
    steps.close()
    return path


def test_every_array_comes_back(folder):
    """64-bit ones too, where jax itself is in 32 bits."""
    assert not jax.config.jax_enable_x64
    found = like(TREE, Steps(folder).load(3, "tree"))
    for a, b in zip(jax.tree.leaves(TREE), jax.tree.leaves(found), strict=True):
        assert isinstance(b, np.ndarray)
        np.testing.assert_array_equal(np.asarray(a), b, strict=True)


def test_what_was_on_the_device_comes_back(tmp_path):
    steps, array = Steps(tmp_path), jax.random.normal(jax.random.key(0), (LONG,))
    steps.save(0, tree={"a": array})
    np.testing.assert_array_equal(steps.load(0, "tree")["a"], np.asarray(array), strict=True)


def test_a_machine_of_fewer_devices_reads_them(folder):
    script = (
        "import sys, pathlib, warnings; warnings.simplefilter('error'); import numpy as np; "
        "from ouroboros_jax.checkpoint import Steps; "
        "print(Steps(pathlib.Path(sys.argv[1])).load(3, 'tree')['many'].sum(dtype=np.float64))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == TREE["many"].sum(dtype=np.float64)


def test_a_name_that_was_not_stored_is_damage(folder):
    with pytest.raises(Damaged, match="is damaged"):
        Steps(folder).load(3, "nothing")


def test_truncated_files_are_damage_that_orbax_does_not_report_as_well(tmp_path, caplog):
    steps = Steps(tmp_path)
    steps.save(3, tree={"a": np.zeros(2)})
    steps.close()
    for path in (tmp_path / "3").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:5])
    with pytest.raises(Damaged, match="is damaged"):
        Steps(tmp_path).load(3, "tree")
    assert not caplog.records

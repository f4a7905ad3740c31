"""Every folder of the package opens with a list of what lies in it, and the lists are true."""

import re
from pathlib import Path

import pytest

import ouroboros_jax

ROOMS = sorted(path.parent for path in Path(ouroboros_jax.__file__).parent.glob("*/__init__.py"))
NAMES = re.compile(r"^ {0,2}([a-z_]+(?:, [a-z_]+)*)(?: {2,}\S.*)?$", re.MULTILINE)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_folder_lists_its_files(room):
    opening = (room / "__init__.py").read_text().split('"""')[1]
    there = {path.stem for path in room.glob("*.py")} - {"__init__"}
    there |= {path.name for path in room.iterdir() if (path / "__init__.py").exists()}
    first_of_lines = {name for names in NAMES.findall(opening) for name in names.split(", ")}
    assert first_of_lines <= there
    if "`*_laws`" in opening:
        there = {name for name in there if not name.endswith("_laws")}
    assert {name for name in there if not re.search(rf"\b{name}\b", opening)} == set()

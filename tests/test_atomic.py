"""Files are replaced whole or not at all."""

import pytest

from ouroboros_jax.atomic import replacing


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_takes_its_place_at_the_end(shared, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("old")
    with replacing(path, shared=shared) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old" and temporary.suffix == ".csv"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("ne")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]

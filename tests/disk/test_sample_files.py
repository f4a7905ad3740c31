"""Samples as files: what is read back is what was drawn."""

import numpy as np
import pytest
from PIL import Image

from ouroboros_jax.disk.sample_files import SEPARATOR, image_grid, write_samples
from ouroboros_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((5, 2)).astype(np.float32)
TOKENS = np.array([[72, 105], [33, 33], [65, 66]], np.int16)


def test_arrays_come_back(tmp_path):
    assert write_samples(tmp_path / "new" / "a.npy", POINTS) == "data (5, 2)"
    np.testing.assert_array_equal(np.load(tmp_path / "new" / "a.npy"), POINTS)
    write_samples(tmp_path / "a.csv", POINTS)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.csv", delimiter=","), POINTS, rtol=1e-6)
    told = write_samples(tmp_path / "a.npz", {"image": POINTS, "label": TOKENS})
    assert told == "image (5, 2), label (3, 2)"
    with np.load(tmp_path / "a.npz") as stored:
        np.testing.assert_array_equal(stored["label"], TOKENS)
    write_samples(tmp_path / "b.npz", (POINTS, TOKENS))
    with np.load(tmp_path / "b.npz") as stored:
        np.testing.assert_array_equal(stored["data0"], POINTS)


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_images_lie_in_a_grid(colours, tmp_path):
    """Floats of 0 to 1, row by row, two grey pixels apart."""
    images = RNG.random((5, 4, 6, *colours))
    images[0] = 2.0  # clipped
    told = write_samples(tmp_path / "a.png", {"image": images, "label": np.zeros(5, int)})
    assert told == "5 images of 4 x 6 pixels"
    grid = np.asarray(Image.open(tmp_path / "a.png"))
    assert grid.shape == (4 + 2 + 4, 3 * 6 + 2 * 2, *([3] if colours == (3,) else []))
    expected = np.round(255 * np.clip(images, 0, 1)).astype(np.uint8).reshape(*images.shape[:3], -1)
    for place in range(5):
        row, column = divmod(place, 3)
        here = grid[6 * row : 6 * row + 4, 8 * column : 8 * column + 6]
        np.testing.assert_array_equal(here.reshape(4, 6, -1), expected[place])
    assert (grid[4:6] == 128).all() and (grid[6:, 16:] == 128).all()


def test_bytes_are_pixels_already():
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    np.testing.assert_array_equal(image_grid(images)[:, :4], images[0])


def test_tokens_are_text(tmp_path):
    told = write_samples(tmp_path / "a.txt", TOKENS, lambda row: "".join(map(chr, row)))
    assert told == "3 texts of 2 tokens"
    assert (tmp_path / "a.txt").read_text() == f"Hi{SEPARATOR}!!{SEPARATOR}AB\n"


def test_a_place_that_cannot_be_written(tmp_path):
    """The path that was asked for is named, and not the temporary one beside it."""
    out = tmp_path / f"{'a' * 251}.npy"
    with pytest.raises(UserError) as raised:
        write_samples(out, POINTS)
    assert str(raised.value) == f"{out} cannot be written: File name too long"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/s\.npy cannot be written: File exists$"):
        write_samples(tmp_path / "file" / "s.npy", POINTS)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", {"image": POINTS, "label": TOKENS}, "samples of image and label need a .npz"),
        ("a.npy", (POINTS, TOKENS), "samples of data0 and data1 need a .npz"),
        ("a.png", POINTS, r"a .png file holds images, .* have shape \(2,\)"),
        ("a.txt", TOKENS, "a .txt file holds text"),
    ],
)
def test_what_a_file_cannot_hold(name, data, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        write_samples(tmp_path / name, data)
    assert not list(tmp_path.iterdir())

"""A user's own files: what is read, and one sentence for everything that cannot be."""

import pickle

import jax
import numpy as np
import pytest

from ouroboros_jax.data.files import file
from ouroboros_jax.errors import UserError

ROWS = np.array([[1.5, -2], [0, 3e-3], [7, 8], [9, 10], [11, 12]])


def every_row(real):
    rows = np.concatenate([real.table, real.test])
    return rows[np.lexsort(rows.T[::-1])]


@pytest.fixture
def write(tmp_path):
    def write(content, name="rows.csv"):
        path = tmp_path / name
        if isinstance(content, np.ndarray):
            np.save(path, content, allow_pickle=True)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8", np.int8])
def test_an_npy_table_comes_back_whole(write, dtype):
    expected = ROWS.astype(dtype)
    real = file(write(expected, "rows.npy"))
    np.testing.assert_array_equal(every_row(real), expected[np.lexsort(expected.T[::-1])])
    assert (real.num_rows, real.shape, real.truth) == (4, (2,), None)


def test_one_dimension_is_one_feature(write):
    real = file(write(np.arange(10.0), "line.npy"))
    assert (real.table.shape, real.test.shape) == ((8, 1), (2, 1))


TABLE = "1.5,-2\n0,3e-3\n7,8\n9,10\n11,12\n"


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "x,y\n" + TABLE,
        '"a name, quoted","y"\n' + TABLE,
        "\ufeffx,y\n" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.rstrip("\n"),
        "\n" + TABLE.replace("\n", "\n\n"),
        TABLE.replace(",", " , "),
        "# x,y\n" + TABLE,
    ],
    ids=["plain", "header", "quoted", "bom", "crlf", "no end", "blank", "spaces", "savetxt"],
)
def test_a_csv_table_comes_back_whole(write, text):
    real = file(write(text))
    np.testing.assert_array_equal(every_row(real), ROWS[np.lexsort(ROWS.T[::-1])])


def test_the_same_rows_have_the_same_hash_in_either_format(write):
    csv, npy = file(write(TABLE)), file(write(ROWS, "rows.npy"))
    assert csv.sha256 == npy.sha256 != file(write(TABLE), test_fraction=0.4).sha256
    assert csv.origin.endswith("rows.csv")


def test_options_reach_the_rows(write):
    real = file(write(TABLE), test_fraction=0, standardize=True)
    assert real.test.shape == (0, 2)
    np.testing.assert_allclose(real.table.std(0), 1)


def damaged(cut):
    def make(tmp_path):
        np.save(tmp_path / "whole.npy", ROWS)
        return cut((tmp_path / "whole.npy").read_bytes())

    return make


NPY = [
    (b"", "is empty"),
    (np.zeros((0, 3)), r"is empty \(shape \(0, 3\)\)"),
    (np.zeros((3, 0)), r"is empty \(shape \(3, 0\)\)"),
    (np.float64(3)[None][0:1].reshape(()), r"array of shape \(\), expected \[points\]"),
    (np.zeros((4, 2, 2)), r"array of shape \(4, 2, 2\), expected \[points\] or \[points, feat"),
    (np.ones((1, 3)), "has 1 row, expected at least 2"),
    (np.array([["a", "b"], ["c", "d"]]), "values of type <U1, expected real numbers"),
    (np.ones((3, 1), complex), "values of type complex128"),
    (np.zeros(3, "datetime64[s]"), "values of type datetime64"),
    (np.zeros(3, [("x", float)]), "values of type .* expected real numbers"),
    (np.array([[1, None]]), "pickled Python objects, which are never loaded"),
    (pickle.dumps([[1.0], [2.0]]), "is a pickle, which is never loaded"),
    (b"PK\x03\x04 and more", "is a zip or .npz archive, expected one array"),
    (b"1,2\n3,4\n", "is not .npy, expected one array as numpy.save"),
    (damaged(lambda whole: whole[:-8]), "cut short or damaged"),
    (damaged(lambda whole: whole[:40]), "cut short or damaged"),
    (damaged(lambda whole: whole[:20] + b"}}{{" + whole[24:]), "cut short or damaged"),
    (damaged(lambda whole: whole.replace(b"(5, 2)", b"(9, 9)")), "cut short or damaged"),
    (
        np.array([[1, 2], [3, np.nan], [np.inf, -np.inf]]),
        r"holds 3 missing or non-finite values \(NaN or infinity\), "
        r"the first at row 1, column 1 \(counted from 0\), expected finite numbers",
    ),
    (np.array([1, 2, np.nan]), r"holds 1 missing or non-finite value \(.*first at index 2 \("),
    (
        np.array([[1], [1e30]]),
        r"holds 1e\+30 at row 1, column 0 .* numbers that float32 can square: up to 1e\+15",
    ),
]


def test_large_numbers_are_taken_by_wider_floats_and_when_scaled(write):
    path = write(np.linspace(1e30, 2e30, 10), "rows.npy")
    assert np.abs(file(path, standardize=True).table).max() < 3
    with jax.enable_x64(True):
        assert file(path).table.max() > 1e30
        with pytest.raises(UserError, match=r"holds 1e\+200 .* float32's range of 3.4e\+38"):
            file(write(np.array([1, 1e200]), "rows.npy"))


@pytest.mark.parametrize(("content", "message"), NPY)
def test_npy_refusals(write, tmp_path, content, message):
    path = write(content(tmp_path) if callable(content) else content, "rows.npy")
    with pytest.raises(UserError, match=message) as caught:
        file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


CSV = [
    ("", "is empty"),
    ("\n \n", "is empty, expected at least 2 rows"),
    ("x,y\n", "holds column names and no rows"),
    ("1,2\n", "has 1 row, expected at least 2"),
    ("x,y\n1,2\n3\n", "is ragged: line 3 has 1 values and the lines before it 2"),
    ("1,2\n3,4,5\n", "is ragged: line 2 has 3 values and the lines before it 2"),
    ("x\n1,2\n3,4\n", "is ragged: line 2 has 2 values and the lines before it 1"),
    ("x,y\n1,2\n\n3,nan\ninf,\n", r"holds 3 missing .* first at line 4, column 2, exp"),
    ("1,\n3,4\n", "holds 1 missing .* first at line 1, column 2"),
    ("NA,NA\n3,4\n", "holds 2 missing"),
    ("x,kind\n1,rose\n2,lily\n", "holds 'rose' at line 2, column 2, expected numbers"),
    ("5.1,setosa\n4.9,setosa\n", "holds 'setosa' at line 1, column 2, expected numbers"),
    ("x\ny\nz\n", "holds 'y' at line 2, column 1"),
    ("1;2\n3;4\n", "holds '3;4' at line 2, column 1, expected numbers separated by commas"),
    ("a\n" + "b" * 99 + "\n", r"holds 'b{37}\.\.\.' at line 2"),
    (",x,y\n0,1,2\n1,3,4\n", "first column without a name, which looks like a saved index"),
    (b"\xff\xfe1\x00,\x00", "is not text in UTF-8"),
    ("1\n" + "2" * 200_000 + "\n", "is not a .csv file: field larger than"),
]


@pytest.mark.parametrize(("content", "message"), CSV)
def test_csv_refusals(write, content, message):
    path = write(content)
    with pytest.raises(UserError, match=message) as caught:
        file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_lead_nowhere(write, tmp_path):
    write(TABLE, "flowers.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, message in {
        "flower.csv": r"does not exist; did you mean .*flowers\.csv\?",
        "other.npy": "does not exist in ",
        "none/rows.npy": "does not exist, nor does the folder",
        "folder.csv": "is not a file, expected one of .npy or .csv",
        "rows.xlsx": r"ends in '.xlsx', expected a file of .npy or .csv",
        "rows": "ends in '', expected",
    }.items():
        with pytest.raises(UserError, match=message):
            file(str(tmp_path / name))


def test_a_file_that_cannot_be_read(write, monkeypatch):
    path = write(ROWS, "rows.npy")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(UserError, match=r"rows.npy cannot be read: Permission denied"):
        file(path)

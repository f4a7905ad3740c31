"""A user's own table, a `.npy` or a `.csv` file of numbers; `.npy` and `.npz` files as arrays.

Nothing is ever unpickled.
"""

import csv
import difflib
from array import array
from pathlib import Path

import numpy as np

from ouroboros_jax.data.base import RealData, check_rows, finite
from ouroboros_jax.errors import UserError, either, reason

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


def file(
    path: str,
    *,
    num_test: int | None = None,
    test_fraction: float = 0.2,
    standardize: bool = False,
) -> RealData:
    """The rows of a file as real data, `[points]` or `[points, features]`.

    `num_test` rows are held out for testing, by default the share `test_fraction`.
    A `.csv` has commas between numbers and perhaps one line of column names.

    Raises:
      UserError: in one sentence, if the file is missing, unreadable or not such a table.
    """
    where = Path(path).expanduser()
    readers = {".npy": _read_npy, ".csv": _read_csv}
    reader = readers.get(where.suffix.lower())
    if reader is None:
        raise UserError(f"{path} ends in {where.suffix!r}, expected a file of {either(readers)}")
    try:
        if not where.exists():
            raise UserError(f"{path} does not exist{_nearest(where)}")
        if not where.is_file():
            raise UserError(f"{path} is not a file, expected one of {either(readers)}")
        if where.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes), expected at least 2 rows")
        rows = reader(where, str(path), standardize)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    return finite(
        str(path),
        rows,
        origin=str(where.resolve()),
        num_test=num_test,
        test_fraction=test_fraction,
        standardize=standardize,
    )


def _read_npy(path: Path, name: str, standardize: bool) -> np.ndarray:
    rows = read_npy(path, name)
    where = "index {0}" if rows.ndim == 1 else "row {0}, column {1}"
    place = (where + " (counted from 0)").format
    return check_rows(rows, name, place, standardize=standardize)


def _read_csv(path: Path, name: str, standardize: bool) -> np.ndarray:
    values, lines, width = array("d"), array("q"), 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header_seen = False
            for cells in reader:
                if len(cells) < 2 and not "".join(cells).strip():
                    continue  # a blank line
                first = not width
                if first:
                    width = len(cells)
                if len(cells) != width:
                    raise UserError(
                        f"{name} is ragged: line {reader.line_num} has {len(cells)} values "
                        f"and the lines before it {width}"
                    )
                if first and _is_header(cells):
                    if not cells[0].strip():
                        raise UserError(
                            f"{name} has a first column without a name, which looks like a saved "
                            "index, expected features alone (in pandas: to_csv(index=False))"
                        )
                    header_seen = True
                    continue
                try:
                    values.extend(map(float, cells))
                except ValueError:
                    del values[len(lines) * width :]
                    values.extend(_parse(cells, name, reader.line_num))
                lines.append(reader.line_num)
    except UnicodeDecodeError:
        raise UserError(f"{name} is not text in UTF-8, expected a .csv of numbers") from None
    except csv.Error as error:
        raise UserError(f"{name} is not a .csv file: {error}") from None
    if not lines:
        what = "holds column names and no rows" if header_seen else "is empty"
        raise UserError(f"{name} {what}, expected at least 2 rows")
    rows = np.frombuffer(values, np.float64).reshape(len(lines), width)
    return check_rows(
        rows,
        name,
        lambda row, column: f"line {lines[row]}, column {column + 1}",
        standardize=standardize,
    )


def _is_header(cells: list[str]) -> bool:
    """Whether no cell is a number or missing; the first may be empty, as for a saved index."""
    names = cells if cells[0].strip() else cells[1:]
    return bool(names) and all(_number(cell) is None for cell in names)


def _parse(cells: list[str], name: str, line: int) -> list[float]:
    numbers = [_number(cell) for cell in cells]
    if None in numbers:
        column = numbers.index(None)
        text = cells[column].strip()
        hint = ""
        if len(cells) == 1 and any(mark in text for mark in ";\t "):
            hint = " separated by commas"
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise UserError(
            f"{name} holds {shown!r} at line {line}, column {column + 1}, expected numbers{hint}"
        )
    return numbers


def _number(cell: str) -> float | None:
    """A cell's number, NaN where it is missing, None if it is something else."""
    if cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None


def _nearest(path: Path) -> str:
    """The file in the folder closest to a mistyped name."""
    if not path.parent.is_dir():
        return f", nor does the folder {path.parent}"
    names = [entry.name for entry in path.parent.iterdir() if entry.suffix in (".npy", ".csv")]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else f" in {path.parent.resolve()}"


def read_npy(path: Path, name: str) -> np.ndarray:
    """The array of a `.npy` file, which refusals call `name`.

    Raises:
      UserError: for a file of another kind, and one that is damaged.
    """
    with path.open("rb") as stream:
        start = stream.read(6)
    if start != b"\x93NUMPY":
        kinds = {b"PK": "a zip or .npz archive", b"\x80": "a pickle, which is never loaded"}
        kind = next((text for magic, text in kinds.items() if start.startswith(magic)), "not .npy")
        raise UserError(f"{name} is {kind}, expected one array as numpy.save writes it")
    try:
        # Mapped, so that a header that promises more than the file holds costs no memory.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # a damaged header may raise anything
        if "object" in str(error).lower():
            raise UserError(
                f"{name} holds pickled Python objects, which are never loaded, "
                "expected real numbers"
            ) from None
        raise UserError(f"{name} is cut short or damaged, expected a whole .npy file") from None
    return np.array(mapped)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file, by name.

    Raises:
      UserError: for a file that is missing, damaged or of another kind.
    """
    try:
        # Opened here, since NumPy would leave a damaged archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as error:  # a damaged archive may raise anything
        why = reason(error)
        why = "it holds Python objects, which are never read" if "pickle" in why else why
        raise UserError(f"{path} cannot be read as an .npz file of arrays: {why}") from None

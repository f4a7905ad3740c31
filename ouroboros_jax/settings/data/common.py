"""The settings that all data share."""

import os
from collections.abc import Callable

from ouroboros_jax.errors import UserError, nearest
from ouroboros_jax.schedule import count_share
from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.settings.setting import COUNT, Point, Setting

NUM_TEST = Setting(1000, "number of real points held out for test metrics", low=0)
FINITE = {  # for finite rows
    "num_test": NUM_TEST._replace(
        default=None,
        help="number of rows held out for test metrics; None: the share test_fraction",
        optional=True,
        kinds=(int,),
    ),
    "test_fraction": Setting(0.2, "share of the rows held out", low=0.0, high=1.0, open_high=True),
    "standardize": Setting(False, "scale every feature to mean 0 and standard deviation 1"),
}
LAW_APART = ("num_samples", "num_test", "dir")
ROWS_APART = ("num_samples", "dir")


def data_settings(**settings: Setting) -> dict[str, Setting]:
    """`settings` and those that all data share."""
    return settings | {
        "num_samples": Setting(
            None,
            "number of points in the real data set; None: num_samples at generation 0",
            traced=True,
            low=2,
            high=COUNT,
            optional=True,
            kinds=(int,),
            scheduled=False,
        ),
        "num_test": settings.get("num_test", NUM_TEST),
        "dir": Setting(None, "folder that data files are read from", optional=True, kinds=(str,)),
    }


def fallback(choice: str) -> Setting:
    """The setting of what is used in place of data that cannot be had."""
    return Setting(
        "",
        "data to use instead, with a notice, if these can be neither found nor downloaded; '': an "
        "error",
        choices=("", choice),
    )


def data_path(point: Point) -> str:
    """The file that `data.name` denotes: in `data.dir`, if that is set."""
    path = os.path.expanduser(point["data.name"])
    return os.path.join(point["data.dir"], path) if point["data.dir"] else path


def path_check(
    expected: str, endings: tuple[str, ...], *, folders: bool = False
) -> Callable[[Point], None]:
    """The check that `data.name` is a file that is there, or a folder if `folders`."""

    def check(point: Point) -> None:
        path = data_path(point)
        if os.path.isfile(path) or (folders and os.path.isdir(path)):
            return
        folder = os.path.dirname(path) or "."
        there = os.listdir(folder) if os.path.isdir(folder) else []
        known = [name for name in there if name.endswith(endings)]
        if not folders:
            known = [name for name in known if os.path.isfile(os.path.join(folder, name))]
        what = "a folder" if os.path.isdir(path) else "not there"
        raise UserError(
            f"data.name={path!r} is {what}: expected {expected}"
            f"{nearest(os.path.basename(path), known)}"
        )

    return check


def rows_check(name: str, rows: int) -> Callable[[Point], None]:
    """The check that a table of `rows` rows has as many real points as are requested."""

    def check(point: Point) -> None:
        num, held_out = num_real_points(point), point["data.num_test"]
        if held_out is None:
            held_out = count_share(point["data.test_fraction"], rows)
        source = "num_samples" if point["data.num_samples"] is None else "data.num_samples"
        left = rows - held_out
        if num > left:
            raise UserError(
                f"{source}={num} is more real points than data.name={name!r} has: {rows}, of "
                f"which {held_out} are held out for testing: expected at most {max(left, 0)}"
            )

    return check

"""Data sets of points: laws, bundled tables, files."""

import os

from ouroboros_jax.errors import UserError, nearest
from ouroboros_jax.schedule import count_share
from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.settings.data.common import NUM_TEST, data_settings
from ouroboros_jax.settings.setting import Entry, Point, Setting

_FINITE = {
    "num_test": NUM_TEST._replace(
        default=None,
        help="rows held out for test_log_likelihood; None: the share test_fraction",
        optional=True,
        kinds=(int,),
    ),
    "test_fraction": Setting(0.2, "share of the rows held out", low=0.0, high=1.0, open_high=True),
    "standardize": Setting(False, "scale every feature to mean 0 and standard deviation 1"),
}
_LAW_APART = ("num_samples", "num_test", "dir")
_ROWS_APART = ("num_samples", "dir")


_FEATURES = Setting(1, "dimension, D", low=1)


def _check_mixture(point: Point) -> None:
    means, stds, weights = (point[f"data.{key}"] for key in ("means", "stds", "weights"))
    for key, values in (("stds", stds), ("weights", weights)):
        if isinstance(values, tuple) and len(values) != len(means):
            raise UserError(
                f"data.{key}={values} has {len(values)} values for the {len(means)} components of "
                f"data.means={means}"
            )
    if len({len(mean) if isinstance(mean, tuple) else 0 for mean in means}) > 1:
        raise UserError(f"data.means={means} mixes dimensions: expected all of the same length")
    if weights is not None and not sum(weights):
        raise UserError(f"data.weights={weights} are all zero: expected shares of the components")


def _check_rows(point: Point) -> None:
    name, entry = point["data.name"], DATA[point["data.name"]]
    num, held_out = num_real_points(point), point["data.num_test"]
    if held_out is None:
        held_out = count_share(point["data.test_fraction"], entry.rows)
    source = "num_samples" if point["data.num_samples"] is None else "data.num_samples"
    left = entry.rows - held_out
    if num > left:
        raise UserError(
            f"{source}={num} is more real points than data.name={name!r} has: {entry.rows}, of "
            f"which {held_out} are held out for testing: expected at most {max(left, 0)}"
        )


def data_path(point: Point) -> str:
    """The file that `data.name` means: beside others in `data.dir`, if that is set."""
    path = os.path.expanduser(point["data.name"])
    return os.path.join(point["data.dir"], path) if point["data.dir"] else path


def _check_file(point: Point) -> None:
    path = data_path(point)
    if not os.path.isfile(path):
        folder = os.path.dirname(path) or "."
        there = os.listdir(folder) if os.path.isdir(folder) else []
        what = "a folder" if os.path.isdir(path) else "not there"
        raise UserError(
            f"data.name={path!r} is {what}: expected a .npy or .csv file"
            f"{nearest(os.path.basename(path), [f for f in there if f.endswith(FILES)])}"
        )


def _table(name: str, rows: int, text: str, standardize: bool = False) -> Entry:
    scaled = _FINITE["standardize"]._replace(default=standardize)
    return Entry(
        f"ouroboros_jax.data.tables:{name}",
        f"{text}, bundled with scikit-learn",
        data_settings(**_FINITE | {"standardize": scaled}),
        check=_check_rows,
        apart=_ROWS_APART,
        rows=rows,
    )


FILES = (".npy", ".csv")
FILE = Entry(
    "ouroboros_jax.data.files:file",
    "a table of your own: a path to a .npy or .csv file, one row a point",
    data_settings(**_FINITE),
    check=_check_file,
    apart=_ROWS_APART,
)
_TABLE = {
    "normal": Entry(
        "ouroboros_jax.data.synthetic:normal",
        "an isotropic Gaussian",
        data_settings(
            num_features=_FEATURES,
            mean=Setting(0.0, "mean of every feature", traced=True, scheduled=False),
            std=Setting(
                1.0,
                "standard deviation of every feature",
                traced=True,
                low=0.0,
                open_low=True,
                scheduled=False,
            ),
        ),
        apart=_LAW_APART,
    ),
    "mixture": Entry(
        "ouroboros_jax.data.synthetic:mixture",
        "a mixture of Gaussians",
        data_settings(
            means=Setting((-2.0, 2.0), "a number, or a list of D numbers, a component"),
            stds=Setting(
                1.0,
                "standard deviation of all components, or of each",
                low=0.0,
                open_low=True,
                kinds=(float, tuple),
            ),
            weights=Setting(
                None,
                "shares of the components, divided by their sum; None: equal",
                low=0.0,
                optional=True,
                kinds=(tuple,),
            ),
        ),
        check=_check_mixture,
        apart=_LAW_APART,
    ),
    "blobs": Entry(
        "ouroboros_jax.data.synthetic:blobs",
        "round clusters about centres drawn once, the same for all chains",
        data_settings(
            num_centers=Setting(3, "number of clusters", low=1),
            num_features=_FEATURES._replace(default=2),
            std=Setting(1.0, "standard deviation of a cluster", low=0.0, open_low=True),
            box=Setting(10.0, "centres are uniform in [-box, box]^D", low=0.0, open_low=True),
            layout_seed=Setting(0, "seed of the centres", low=0, high=2**32 - 1),
        ),
        apart=_LAW_APART,
    ),
    "iris": _table("iris", 150, "150 flowers of 3 species, 4 features"),
    "wine": _table("wine", 178, "178 wines of 3 growers, 13 features", standardize=True),
    "digits": _table("digits", 1797, "1,797 digits of 8 x 8 pixels, flattened to 64 features"),
    "file": FILE,
}
DATA = {name: entry._replace(kind="points") for name, entry in _TABLE.items()}
FILE = DATA["file"]

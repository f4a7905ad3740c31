"""Data sets of points: laws, bundled tables, files."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.settings.data.common import (
    FINITE,
    LAW_APART,
    ROWS_APART,
    data_settings,
    path_check,
    rows_check,
)
from ouroboros_jax.settings.setting import Entry, Point, Setting

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


def _table(name: str, rows: int, text: str, standardize: bool = False) -> Entry:
    scaled = FINITE["standardize"]._replace(default=standardize)
    return Entry(
        f"ouroboros_jax.data.tables:{name}",
        f"{text}, bundled with scikit-learn",
        data_settings(**FINITE | {"standardize": scaled}),
        check=rows_check(name, rows),
        apart=ROWS_APART,
    )


def _shape(name: str, text: str, noise: float, **settings: Setting) -> Entry:
    spread = Setting(
        noise, "standard deviation added to every feature", traced=True, low=0.0, scheduled=False
    )
    return Entry(
        f"ouroboros_jax.data.shapes:{name}",
        text,
        data_settings(noise=spread, **settings),
        apart=LAW_APART,
    )


FILES = (".npy", ".csv")
FILE = Entry(
    "ouroboros_jax.data.files:file",
    "a table of your own: a path to a .npy or .csv file with one point per row",
    data_settings(**FINITE),
    check=path_check("a .npy or .csv file", FILES),
    apart=ROWS_APART,
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
        apart=LAW_APART,
    ),
    "mixture": Entry(
        "ouroboros_jax.data.synthetic:mixture",
        "a mixture of Gaussians",
        data_settings(
            means=Setting(
                (-2.0, 2.0), "a number, or a list of D numbers, per component", nested=True
            ),
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
        apart=LAW_APART,
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
        apart=LAW_APART,
    ),
    "moons": _shape("moons", "two interleaving half circles, as in scikit-learn", 0.1),
    "circles": _shape(
        "circles",
        "a circle inside another, as in scikit-learn",
        0.05,
        factor=Setting(0.8, "radius of the inner circle", low=0.0, high=1.0, open_high=True),
    ),
    "swiss_roll": _shape("swiss_roll", "a sheet rolled up in 3-D, as in scikit-learn", 0.5),
    "iris": _table("iris", 150, "150 flowers of 3 species, 4 features"),
    "wine": _table("wine", 178, "178 wines of 3 growers, 13 features", standardize=True),
    "digits": _table("digits", 1797, "1,797 digits of 8 x 8 pixels, flattened to 64 features"),
    "file": FILE,
}
DATA = {name: entry._replace(kind="points") for name, entry in _TABLE.items()}
FILE = DATA["file"]

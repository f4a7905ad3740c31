"""Data sets of inputs with targets, and with classes."""

from ouroboros_jax.settings.data.common import (
    FINITE,
    LAW_APART,
    ROWS_APART,
    data_settings,
    rows_check,
)
from ouroboros_jax.settings.setting import Entry, Setting

_NOISE = Setting(
    1.0, "standard deviation of the targets' noise", traced=True, low=0.0, scheduled=False
)
_LAW = {
    "num_features": Setting(5, "dimension of the inputs, D", low=1),
    "scale": Setting(1.0, "the coefficients are scale times standard normals", low=0.0),
    "layout_seed": Setting(0, "seed of the coefficients", low=0, high=2**32 - 1),
}
_ROWS = FINITE | {"standardize": FINITE["standardize"]._replace(default=True)}


def _table(name: str, rows: int, text: str, kind: str) -> Entry:
    return Entry(
        f"ouroboros_jax.data.regression:{name}",
        f"{text}, bundled with scikit-learn",
        data_settings(**_ROWS),
        check=rows_check(name, rows),
        apart=ROWS_APART,
        kind=kind,
    )


DATA = {
    "linear": Entry(
        "ouroboros_jax.data.regression:linear",
        "normal inputs, targets linear in them, normal noise",
        data_settings(**_LAW, noise=_NOISE),
        apart=LAW_APART,
        kind="regression",
    ),
    "logistic": Entry(
        "ouroboros_jax.data.regression:logistic",
        "normal inputs, two classes whose log odds are linear in them",
        data_settings(**_LAW),
        apart=LAW_APART,
        kind="classes",
    ),
    "diabetes": _table("diabetes", 442, "442 patients, 10 features, progression", "regression"),
    "breast_cancer": _table(
        "breast_cancer", 569, "569 tumours, 30 features, benign or malignant", "classes"
    ),
}

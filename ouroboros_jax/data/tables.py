"""Tables that come with scikit-learn: `iris`, `wine` and `digits`, only features, no download.

`num_test` rows of each are held out, by default the share `test_fraction`.
"""

from typing import Any

import numpy as np

from ouroboros_jax.data.base import RealData, finite
from ouroboros_jax.errors import UserError


def iris(
    *, num_test: int | None = None, test_fraction: float = 0.2, standardize: bool = False
) -> RealData:
    """150 flowers of 3 species, 4 lengths and widths in cm (Fisher, 1936)."""
    return _bundled("iris", num_test, test_fraction, standardize)


def wine(
    *, num_test: int | None = None, test_fraction: float = 0.2, standardize: bool = True
) -> RealData:
    """178 wines of 3 growers, 13 measurements (Forina, 1991), standardized by default.

    As measured, the variances span seven orders of magnitude: `variance` would be that of proline
    alone, and a covariance floor of 1e-6 would mean something different for every feature.
    """
    return _bundled("wine", num_test, test_fraction, standardize)


def digits(
    *, num_test: int | None = None, test_fraction: float = 0.2, standardize: bool = False
) -> RealData:
    """1,797 handwritten digits of 8x8 pixels (Kaynak, 1995), flattened to 64 numbers in [0, 1]."""
    return _bundled(
        "digits", num_test, test_fraction, standardize, lambda rows: np.float32(rows / 16)
    )


def bundled(name: str, **options: Any) -> Any:
    """scikit-learn's table of that name: `data`, `target` and more.

    Raises:
      UserError: if scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise UserError(
            f"data.name={name} comes with scikit-learn, which is not installed: "
            "pip install scikit-learn"
        ) from None
    return getattr(datasets, f"load_{name}")(**options)


def _bundled(name, num_test, test_fraction, standardize, prepare=lambda rows: rows) -> RealData:
    return finite(
        name,
        prepare(bundled(name).data),
        origin=f"sklearn.datasets.load_{name}",
        num_test=num_test,
        test_fraction=test_fraction,
        standardize=standardize,
    )

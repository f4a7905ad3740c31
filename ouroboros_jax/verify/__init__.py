"""Verification: the code's results against every law that they should follow.

`verify(size)` runs the checks of `CHECKS` through the package's own loop, in memory, and yields
their readings as they come; `launch.py verify` prints them as a table. A check is a function of a
`Session`, which runs configs and shares runs between checks, and yields `Reading`s.

  reading     laws, standard errors, z
  session     the runs
  gaussians, mixtures, regressions, symbols, heat_death, texts, networks
              checks, a family a file
  report      the table
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ouroboros_jax.settings.verify import SIZES
from ouroboros_jax.verify import (
    gaussians,
    heat_death,
    mixtures,
    networks,
    regressions,
    symbols,
    texts,
)
from ouroboros_jax.verify.reading import LIMIT, Reading
from ouroboros_jax.verify.session import Session

__all__ = ["CHECKS", "LIMIT", "SIZES", "Reading", "Session", "verify"]
WORKERS = 2  # checks at once: one compiles while another runs
Check = Callable[[Session], Iterator[Reading]]
CHECKS: dict[str, Check] = {
    "sufficient statistics": gaussians.sufficient,
    "Gaussian moments": gaussians.moments,
    "conservation": gaussians.conservation,
    "accumulate": gaussians.accumulation,
    "accumulate-subsample": gaussians.subsample,
    "error ratios": gaussians.ratios,
    "fresh data": gaussians.fresh,
    "golden ratio": gaussians.golden,
    "autoencoder": networks.autoencoder,
    "mixtures": mixtures.squared_l2,
    "regression": regressions.linear,
    "kernel densities": regressions.kernels,
    "Poisson rates": symbols.rates,
    "rare symbols": symbols.survival,
    "curation": symbols.choices,
    "fixation": heat_death.fixation,
    "temperature": heat_death.sharpening,
    "differential equation": heat_death.differential_equation,
    "thresholds": heat_death.thresholds,
    "urns": heat_death.urns,
    "vocabulary": texts.tokens,
}


def verify(
    size: str | float = "quick", checks: dict[str, Check] | None = None
) -> Iterator[tuple[str, Reading]]:
    """Readings by the name of their check, in the order of the table.

    Args:
      size: a name of `SIZES`, or a multiple of the chains of "quick".
      checks: some of `CHECKS`, or your own; by default all.
    """
    session = Session(SIZES[size] if isinstance(size, str) else size)
    checks = CHECKS if checks is None else checks
    with ThreadPoolExecutor(WORKERS) as pool:
        found = {name: pool.submit(lambda c: list(c(session)), c) for name, c in checks.items()}
        try:
            for name, readings in found.items():
                yield from ((name, reading) for reading in readings.result())
        finally:  # cancels the rest if one fails or the caller stops
            pool.shutdown(wait=False, cancel_futures=True)

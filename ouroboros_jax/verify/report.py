"""The table that `launch.py verify` prints."""

import math
import time

from ouroboros_jax.host.report import duration
from ouroboros_jax.verify import LIMIT, Reading, verify

WIDTHS = (46, 12, 12, 12, 8)


def line(found: Reading) -> str:
    """One row: law, predicted, measured, standard error or tolerance, z, verdict."""
    law, *widths = WIDTHS
    error = f"{'tol ' if found.is_exact else ''}{found.error:.3g}"
    z = "exact" if found.is_exact and found.holds else f"{found.z:.2f}"
    cells = (f"{found.predicted:.6g}", f"{found.measured:.6g}", error, z)
    row = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{found.law:<{law}}{row}  {'ok' if found.holds else 'FAILS'}"


def print_table(size: str) -> int:
    """Print readings as they come; returns 0 if all laws hold, else 1."""
    start, found = time.monotonic(), []
    law, *widths = WIDTHS
    heads = ("predicted", "measured", "std. error", "z")
    print(
        f"{'law':<{law}}"
        + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
        + "  verdict"
    )
    for name, reading in verify(size):
        if not found or found[-1][0] != name:
            print(f"-- {name}")
        found.append((name, reading))
        print(line(reading), flush=True)
    fails = [reading for _, reading in found if not reading.holds]
    largest = max((abs(r.z) for _, r in found if math.isfinite(r.z)), default=0.0)
    verdict = f"{len(fails)} of {len(found)} fail" if fails else f"all {len(found)} laws hold"
    took = duration(time.monotonic() - start)
    print(f"{verdict}; largest |z| = {largest:.2f}, where {LIMIT} is the limit; {took}")
    return 1 if fails else 0

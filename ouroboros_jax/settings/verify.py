"""How thorough `launch.py verify` is."""

SIZES = {"small": 0.2, "quick": 1.0, "large": 8.0}  # chains, as a multiple of a check's own number

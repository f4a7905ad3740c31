"""What a metric is called, measured in and drawn against."""

from typing import Literal, NamedTuple


class Name(NamedTuple):
    """A metric in words.

    `dims` follow (chain, generation); of those in brackets in the comments one is absent where it
    has length one by nature. `scale` is the axis a figure takes: `auto` is logarithmic where the
    values span orders of magnitude.
    """

    long_name: str
    units: str = "1"
    dims: tuple[str, ...] = ()
    label: str = ""  # of an axis; the long name where empty
    scale: Literal["linear", "log", "auto"] = "linear"
    reference: float | None = None  # the value of the truth itself

    @property
    def axis_label(self) -> str:
        """What stands beside an axis."""
        return self.label or self.long_name

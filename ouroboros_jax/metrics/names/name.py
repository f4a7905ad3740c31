"""What a metric is called, measured in and drawn against."""

from typing import Literal, NamedTuple


class Name(NamedTuple):
    """A metric in words.

    `dims` follow (chain, generation); an axis in brackets in the comments is absent if its length
    is one by nature. `scale` is that of a figure's axis: `auto` is logarithmic if the values span
    orders of magnitude.
    """

    long_name: str
    units: str = "1"
    dims: tuple[str, ...] = ()
    label: str = ""  # of an axis; the long name if empty
    scale: Literal["linear", "log", "auto"] = "linear"
    reference: float | None = None  # the value of the truth itself

    @property
    def axis_label(self) -> str:
        """The label of an axis."""
        return self.label or self.long_name

"""The data: what generation 0 is fitted to, by name; a file for each kind of data."""

from typing import Any

from ouroboros_jax.settings.data import outcomes, points
from ouroboros_jax.settings.data.common import data_settings
from ouroboros_jax.settings.data.points import FILE, FILES, data_path
from ouroboros_jax.settings.names import look_up
from ouroboros_jax.settings.setting import Entry

__all__ = ["DATA", "FILE", "data_path", "find_data"]
DATA = points.DATA | outcomes.DATA
_NAMED = {name: entry for name, entry in DATA.items() if entry is not FILE}
_EVERY = data_settings()


def find_data(name: Any) -> Entry:
    """The data of that name, in a file, or a user's own, which has `data_settings` as well."""
    if isinstance(name, str) and name.endswith(FILES):
        return FILE
    file = ", a path to a .npy or .csv file,"
    return look_up("data", _NAMED, name, every=_EVERY, also=file)

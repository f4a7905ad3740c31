"""The learners: model families and how they are fitted, by name; a file for each kind of data."""

from typing import Any

from ouroboros_jax.settings.learners import (
    densities,
    heat_death,
    images,
    language,
    mixtures,
    regression,
    symbols,
)
from ouroboros_jax.settings.learners.start import START
from ouroboros_jax.settings.names import look_up
from ouroboros_jax.settings.setting import Entry

_ROOMS = (mixtures, densities, regression, heat_death, symbols, language, images)
LEARNERS = {
    name: entry._replace(settings={**entry.settings, "start": START}, apart=("start",))
    for room in _ROOMS
    for name, entry in room.LEARNERS.items()
}


def find_learner(name: Any) -> Entry:
    """The learner of that name, or a user's own."""
    return look_up("learner", LEARNERS, name, every={"start": START})

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

LEARNERS = mixtures.LEARNERS | densities.LEARNERS | regression.LEARNERS | heat_death.LEARNERS
LEARNERS |= symbols.LEARNERS | language.LEARNERS
LEARNERS |= images.LEARNERS


def find_learner(name: Any) -> Entry:
    """The learner of that name, or a user's own; every learner has `start`."""
    return look_up("learner", LEARNERS, name, every={"start": START})

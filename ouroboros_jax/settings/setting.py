"""A setting and an entry, the rows of all tables here."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Point = dict[str, Any]  # a run's settings, flat: {"learner.name": "gmm", "num_samples": 1000, ...}
COUNT = 2**31 - 1  # counts are int32 on the device


class Setting(NamedTuple):
    """One field of a config: its range and its meaning.

    `kinds` are the Python types accepted (by default the default's own); an int is accepted for a
    float, and a whole float for an int. `choices` are the allowed strings. For a tuple, bounds,
    `choices` and `item` (its type) are those of the items.
    """

    default: Any
    help: str
    traced: bool = False  # one value per chain along the compiled chains axis, shapes unchanged
    low: float | None = None
    high: float | None = None
    open_low: bool = False  # `low` itself is out of range
    open_high: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False  # None is allowed
    kinds: tuple[type, ...] = ()
    item: type = float
    nested: bool = False  # whether items may be lists of such items, as the means of components
    scheduled: bool | None = None  # may change over generations; by default, if it is traced
    swept: bool = True  # False if a run has a single value

    @property
    def types(self) -> tuple[type, ...]:
        return self.kinds or (type(self.default),)

    @property
    def is_scheduled(self) -> bool:
        return self.traced if self.scheduled is None else self.scheduled


BIAS = Setting(
    1.0,
    "sampling bias lambda: synthetic points have lambda times the covariance",
    traced=True,
    low=0.0,
    open_low=True,
)
TEMPERATURE = Setting(
    1.0,
    "sampling temperature T: probabilities p become p^(1/T), divided by their sum",
    traced=True,
    low=0.0,
    open_low=True,
)


class Entry(NamedTuple):
    """A name: its factory as `module:function`, one line of help, its settings.

    `check(point)` raises `UserError` if settings are incompatible; `resolve(point)` maps settings
    that hold a placeholder such as `auto`, by key, to its meaning. `apart` are static settings that
    the factory does not take, because the chain or the run reads them. `kind` is the kind of data a
    learner is fitted to, or a data set holds (None: unknown), and `instead`, for a data set, the
    name that replaces it for learners of another kind.

    For a learner, `counts_traced(point)` tells whether it takes the number of points as a traced
    value; if not, every `num_samples` needs its own program. `sampler` are the settings of the
    section of that name, their defaults being neutral (traced ones arrive as `Settings.sampler`,
    static ones as the factory's keyword arguments), `metrics` the names that `config.metrics` may
    choose from (None: any) and `fewest` the smallest number of points for a fit. For a regime,
    `keeps_identity` says that points must stay the same points (None: unknown, as for a user's
    own), and `keeps` which earlier data sets it always keeps.
    """

    path: str
    help: str
    settings: dict[str, Setting]
    counts_traced: Callable[[Point], bool] = lambda point: False
    check: Callable[[Point], None] = lambda point: None
    resolve: Callable[[Point], dict[str, Any]] = lambda point: {}
    keeps_identity: bool | None = False
    keeps: Literal["nothing", "real", "all"] = "nothing"
    apart: tuple[str, ...] = ()
    kind: str | None = None
    sampler: dict[str, Setting] = {}  # noqa: RUF012, never changed
    metrics: tuple[str, ...] | None = None
    fewest: int = 2
    instead: dict[str, str] = {}  # noqa: RUF012, never changed

"""The selectors: which of a model's points become training points, by name."""

from typing import Any

from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import extremes
from ouroboros_jax.settings.names import look_up, own_entry
from ouroboros_jax.settings.setting import Entry, Point, Setting

SCORES = ("feature", "closeness")
_SCORE = Setting(
    "feature",
    "what scores a point: one of its features (for symbols and labels: whether it is the given "
    "one; for regressions: the target), its closeness to 0, or your own 'module:function' of "
    "(settings, data)",
    kinds=(str,),
)
_INDEX = Setting(0, "the feature, symbol or class that `score='feature'` means", low=0)


def _share(default: float, text: str) -> Setting:
    return Setting(default, text, traced=True, low=0.0, high=1.0)


def _check(point: Point) -> None:
    score = point["selector.score"]
    if score not in SCORES and ":" not in score:
        raise UserError(
            f"selector.score={score!r} is unknown: expected {', '.join(SCORES)} or your own "
            "'module:function'"
        )
    if ":" in score:
        own_entry("selector", score)  # its error tells what is missing
    if point.get("learner.draw") == "sufficient":
        raise UserError(
            f"learner.draw='sufficient' draws no points that selector.name="
            f"{point['selector.name']!r} could choose from: use learner.draw='auto' or 'samples'"
        )


def _check_verify(point: Point) -> None:
    _check(point)
    right, wrong = point["selector.keep_right"], point["selector.keep_wrong"]
    if not any(extremes(value, point["generations"])[2] for value in (right, wrong)):
        raise UserError(
            f"selector.keep_right={right} and selector.keep_wrong={wrong} keep no point at all: "
            "expected one of them above 0"
        )


SELECTORS = {
    "none": Entry("ouroboros_jax.settings.selectors:none", "keeps every point that is drawn", {}),
    "curate": Entry(
        "ouroboros_jax.selectors:curate",
        "keeps one of `choices` candidates, more likely one with a better score",
        {
            "choices": Setting(2, "number of candidates, K, of which one is kept", low=2),
            "score": _SCORE,
            "index": _INDEX,
            "strength": Setting(1.0, "factor of the score in exp(strength * score)", traced=True),
        },
        check=_check,
    ),
    "verify": Entry(
        "ouroboros_jax.selectors:verify",
        "keeps candidates above a threshold score with one probability, others with another",
        {
            "score": _SCORE,
            "index": _INDEX,
            "threshold": Setting(0.0, "a point is right if its score is above this", traced=True),
            "keep_right": _share(1.0, "probability of keeping a right point"),
            "keep_wrong": _share(0.5, "probability of keeping a wrong point"),
            "max_rounds": Setting(1000, "most times that rejected points are drawn again", low=1),
        },
        check=_check_verify,
    ),
}


def none() -> None:
    """No selector."""


def find_selector(name: Any) -> Entry:
    """The selector of that name, or a user's own."""
    return look_up("selector", SELECTORS, name)

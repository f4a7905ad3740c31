"""What a learner draws: points or their statistics, for learners that can draw either."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.settings.regimes import find_regime, keeps_points
from ouroboros_jax.settings.setting import Point, Setting

DRAW = Setting(
    "auto",
    "draw points (samples), or their counts or moments, exact in law and O(1) in n (sufficient); "
    "auto is sufficient if regime and selector allow it",
    choices=("auto", "sufficient", "samples"),
)


def draws_statistics(point: Point) -> bool:
    """Whether statistics are drawn, so that shapes do not depend on the number of points."""
    draw = point["learner.draw"]
    if draw == "auto":
        is_known = find_regime(point["regime.name"]).keeps_identity is not None
        return is_known and not _keeps_points(point)
    return draw == "sufficient"


def resolve_draw(point: Point) -> dict[str, str]:
    """`learner.draw` with `auto` resolved."""
    return {"draw": "sufficient" if draws_statistics(point) else "samples"}


def check_draw(point: Point) -> None:
    """Refuse statistics if some points are kept from one generation to the next.

    Raises:
      UserError: naming the regime and the selector.
    """
    if point["learner.draw"] == "sufficient" and _keeps_points(point):
        others = {"regime.real_of": "original", "selector.name": "none"}
        named = ["regime.name"] + [path for path, usual in others.items() if point[path] != usual]
        told = " with ".join(f"{path}={point[path]!r}" for path in named)
        raise UserError(
            f"learner.draw='sufficient' cannot be exact with {told}, which goes on with some of "
            "the points: use learner.draw='auto' or 'samples'"
        )


def _keeps_points(point: Point) -> bool:
    """Whether points are kept from one generation to the next, or go through a selector."""
    return keeps_points(point) or point["selector.name"] != "none"

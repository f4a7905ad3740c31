"""The learner of the temperature-controlled loop over a few outcomes."""

from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.metrics.names.heat_death import OF_HEAT_DEATH
from ouroboros_jax.schedule import extremes
from ouroboros_jax.settings.counts import check_total
from ouroboros_jax.settings.regimes import FROM_LAST, keeps_points
from ouroboros_jax.settings.setting import TEMPERATURE, Entry, Point, Setting


def _check(point: Point) -> None:
    regime, dynamics = point["regime.name"], point["learner.dynamics"]
    if keeps_points(point):
        raise UserError(
            f"learner.name='heat_death' holds numbers of points and not points, and "
            f"regime.name={regime!r} goes on with some of them: expected a regime that draws anew"
        )
    if point["selector.name"] != "none":
        raise UserError(
            f"learner.name='heat_death' draws no points that selector.name="
            f"{point['selector.name']!r} could choose from: use learner.name='categorical'"
        )
    if dynamics == "ode":
        _check_ode(point, regime)
    if dynamics == "counts":
        check_total(point)


def _check_ode(point: Point, regime: str) -> None:
    if regime not in FROM_LAST:
        raise UserError(
            f"learner.dynamics='ode' is itself the limit of a data set that grows, and "
            f"regime.name={regime!r} keeps one: expected {listed(FROM_LAST)}"
        )
    if point["learner.start"] != "previous":
        raise UserError(
            f"learner.start={point['learner.start']!r} cannot go with learner.dynamics='ode', "
            "whose generation is a step from the one before: expected 'previous'"
        )
    share = {"fresh": "regime.real_fraction", "weighted": "regime.real_weight"}.get(regime)
    if share and point[share] != "golden" and extremes(point[share], point["generations"])[2] >= 1:
        raise UserError(
            f"{share}={point[share]} leaves the model of learner.dynamics='ode' no share: "
            "expected less than 1"
        )


LEARNERS = {
    "heat_death": Entry(
        "ouroboros_jax.learners.heat_death:heat_death",
        "a law on a few outcomes, sampled at a temperature",
        {
            "dynamics": Setting(
                "map",
                "infinitely many points a generation (map), a data set that grows continuously "
                "(ode), or num_samples points, exact in law (counts)",
                choices=("map", "ode", "counts"),
            ),
            "step": Setting(
                0.1,
                "ode: how much the logarithm of the data set's size grows in a generation",
                traced=True,
                low=0.0,
                open_low=True,
                high=2.0,
            ),
        },
        counts_traced=lambda point: True,
        check=_check,
        kind="outcomes",
        sampler={"temperature": TEMPERATURE},
        metrics=OF_HEAT_DEATH,
        fewest=1,
    ),
}

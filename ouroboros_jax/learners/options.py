"""What a learner's factory may be asked for: choices by name, metrics by name."""

from collections.abc import Sequence

from ouroboros_jax.settings.learners import LEARNERS

DRAWS = ("sufficient", "samples")  # what `auto` has become when a factory is called


def check_choices(learner: str, **given: str) -> None:
    """Refuse what is not among a setting's choices, for factories that are called by hand.

    Args:
      learner: its name in the registry.
      **given: values by setting.

    Raises:
      ValueError: naming the setting, its value, and what was expected.
    """
    entry = LEARNERS[learner]
    settings = entry.settings | entry.sampler
    for name, value in given.items():
        known = DRAWS if name == "draw" else settings[name].choices
        if value not in known:
            raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}.")


def chosen_metrics(metrics: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names of metrics to compute: all that are known, where None are asked for.

    Raises:
      ValueError: for names that are not known.
    """
    wanted = tuple(known if metrics is None else metrics)
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"metrics={unknown}: expected names among {', '.join(known)}.")
    return wanted

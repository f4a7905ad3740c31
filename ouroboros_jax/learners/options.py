"""The string options of a learner's factory."""

from ouroboros_jax.settings.learners import LEARNERS

DRAWS = ("sufficient", "samples")  # what `auto` resolves to before a factory is called


def check_choices(learner: str, **given: str) -> None:
    """Check a factory's string options against the choices in its settings, for callers that bypass
    the config.

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

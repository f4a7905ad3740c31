"""`learner.start`, which every learner has."""

from ouroboros_jax.settings.setting import Setting

START = Setting(
    "previous",
    "what a fit begins from: the previous generation's parameters, those that generation 0 began "
    "from (base), or fresh ones",
    choices=("previous", "base", "fresh"),
)

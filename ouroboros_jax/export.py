"""A stored language model in the layout of its family."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ouroboros_jax import registry
from ouroboros_jax.errors import UserError

EXPORTED = "lm"


def check_learner(name: str) -> None:
    """Refuse a learner for which there is no such layout.

    Raises:
      UserError: naming it.
    """
    if name != EXPORTED:
        raise UserError(
            f"export writes language models, and the learner of this run is {name!r}: sample and "
            "run.params() give its points and parameters"
        )


def export(point: registry.Point, params: Callable[[], Any], out: str | Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files, which transformers loads.

    Args:
      point: the settings of a run.
      params: gives the parameters of one generation of one chain.
      out: a folder, created if missing.

    Raises:
      UserError: for a run of another learner, a generation that does not exist, a file at `out`.
    """
    check_learner(point["learner.name"])
    from ouroboros_jax.learners.lm_model import DECODER, decoder_of
    from ouroboros_jax.models import checkpoints
    from ouroboros_jax.programs.factories import make_real

    text = make_real(point).text
    told = registry.options("learner", point)
    config, _ = decoder_of(text, **{name: told[name] for name in DECODER})
    checkpoints.export(config, params(), out, text.tokenizer)

"""Language models: a GPT-2 or OPT decoder, from scratch or from a published checkpoint.

Serves Shumailov et al. (arXiv 2305.17493, Nature 2024), who fine-tune OPT-125m on WikiText-2, let
it continue every block of its training text, and fine-tune it on that, again and again; and
Gerstgrasser et al. (arXiv 2404.01413), who train small models from scratch.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Data, Key, Learner, Metrics, Params, Parts, Pool, Settings
from ouroboros_jax.data.text import Text
from ouroboros_jax.decoding import Knobs, Plan, continue_rows
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners import lm_measure
from ouroboros_jax.learners.lm_loss import mean_loss
from ouroboros_jax.learners.lm_model import decoder_of
from ouroboros_jax.learners.lm_training import TrainingOptions, TrainState, begin, train_epoch
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics
from ouroboros_jax.metrics.names.text import OF_MODELS, OF_WRITING
from ouroboros_jax.models.decoder import Decoder

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
BATCHES_AT_ONCE = 2  # of rows, per call from the host
PROMPTS = {"previous": "previous", "original": "real", "none": "table"}


class Setup(NamedTuple):
    """The static half of the learner."""

    model: Decoder
    initial: Params | None  # a checkpoint's parameters
    training: TrainingOptions
    keeps_best: bool  # the best epoch's parameters, not the last's
    validation: np.ndarray  # int [M, T], real blocks
    plan: Plan
    rows: int  # decoded or scored at a time
    bos: int | None  # the token that new blocks begin with; None: they continue others
    dtype: np.dtype  # of tokens


class FitState(NamedTuple):
    """A fit half-way: the model being trained, and the best so far by validation loss."""

    training: TrainState
    best: Params | tuple[()]  # () if the last are kept
    best_loss: jax.Array
    best_epoch: jax.Array


def init(key: Key, settings: Settings, data: Data, *, setup: Setup) -> Params:
    """A checkpoint's parameters, or new ones."""
    del settings, data
    if setup.initial is not None:
        return _constant(setup.initial)
    tokens = jnp.zeros((1, 2), jnp.int32)
    return setup.model.init(key, tokens, tokens)["params"]


def fit_begin(
    key: Key, settings: Settings, params: Params, pool: Pool, *, setup: Setup
) -> FitState:
    """A fit from `params` with a new optimiser."""
    del key, pool
    training = begin(params, _in_float32(settings.learner), setup.training)
    best = params if setup.keeps_best else ()
    return FitState(training, best, jnp.float32(jnp.inf), jnp.int32(0))


def fit_step(
    key: Key, settings: Settings, fit_state: FitState, pool: Pool, *, setup: Setup
) -> tuple[FitState, Metrics]:
    """One epoch, and the loss on validation text after it."""
    told = _in_float32(settings.learner)
    training, info = train_epoch(key, setup.model, fit_state.training, pool, told, setup.training)
    validation = jnp.asarray(setup.validation)
    loss = mean_loss(setup.model, training.params, validation, setup.bos, setup.rows)
    info["validation_loss"] = loss
    # A loss that is no number gives way to any; and if there is no other, the fit has broken.
    is_best = (loss < fit_state.best_loss) | ~jnp.isfinite(fit_state.best_loss)
    is_best |= not setup.keeps_best
    best = jax.tree.map(
        lambda old, new: jnp.where(is_best, new, old),
        fit_state.best,
        training.params if setup.keeps_best else (),
    )
    best_loss = jnp.where(is_best, loss, fit_state.best_loss)
    best_epoch = jnp.where(is_best, training.epoch, fit_state.best_epoch)
    return FitState(training, best, best_loss, best_epoch), info


def fit_end(fit_state: FitState, *, setup: Setup) -> tuple[Params, Metrics]:
    """The parameters that are kept, and their metrics."""
    params = fit_state.best if setup.keeps_best else fit_state.training.params
    return params, {
        "best_validation_loss": fit_state.best_loss,
        "best_epoch": fit_state.best_epoch,
    }


def write(
    key: Key, settings: Settings, params: Params, prompts: jax.Array, places=None, *, setup: Setup
) -> jax.Array:
    """Continuations int32 [M, N] of as many prompts [M, P], or only of those at `places`; without
    prompts, of the token that begins a text."""
    if setup.bos is not None:
        prompts = jnp.full((prompts.shape[0], 1), setup.bos, jnp.int32)
    knobs = Knobs(**_in_float32({name: settings.sampler[name] for name in Knobs._fields}))
    prompts = prompts.astype(jnp.int32)
    return continue_rows(key, setup.model, params, prompts, knobs, setup.plan, setup.rows, places)


def sample(
    key: Key,
    settings: Settings,
    params: Params,
    source: jax.Array,
    num: int,
    places: jax.Array | None = None,
    *,
    setup: Setup,
) -> jax.Array:
    """`num` blocks that continue those of `source`, or only the blocks at `places`."""
    source = source[jnp.arange(num) % source.shape[0]]
    return write(key, settings, params, source, places, setup=setup).astype(setup.dtype)


def _in_float32(numbers: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(a, jnp.float32) for name, a in numbers.items()}


def lm(
    text: Text,
    *,
    checkpoint: str = "",
    family: str = "gpt2",
    num_layers: int = 4,
    num_heads: int = 4,
    width: int = 128,
    ffn_width: int = 0,
    dropout: float | None = None,
    dtype: str = "float32",
    remat: bool = False,
    epochs: int = 5,
    batch_size: int = 16,
    optimizer: str = "adamw",
    schedule: str = "constant",
    keep: str = "best",
    num_validation: int = 128,
    num_scored: int = 128,
    method: str = "sample",
    num_beams: int = 5,
    min_new_tokens: int | None = None,
    prompts: str = "previous",
    rows: int = 64,
    metrics=None,
) -> Learner:
    """A decoder trained on blocks of tokens, whose new blocks continue old ones.

    Args:
      text: the tokenizer, and validation blocks for choosing the best epoch.
      checkpoint: a folder or hub id; empty: from scratch, with the five settings that follow.
      family: `gpt2` (norms before, GELU) or `opt` (ReLU, offset positions).
      num_layers: blocks of the model.
      num_heads: attention heads.
      width: D.
      ffn_width: of the two-layer network; 0: 4 D.
      dropout: rate; None: the checkpoint's own, or none if from scratch.
      dtype: of the computation.
      remat: compute blocks again in the backward pass, to save memory.
      epochs: of each generation's fit.
      batch_size: rows of a training step.
      optimizer: `adamw`, `adam` or `sgd`.
      schedule: of the learning rate.
      keep: the parameters of the `best` epoch by validation loss, or of the `last`.
      num_validation: blocks of real text on which the validation loss is computed.
      num_scored: texts written to be measured.
      method: `sample`, `greedy` or `beam`.
      num_beams: of `beam`.
      min_new_tokens: no text ends before this many new tokens; None: no text ends within its block.
      prompts: continue blocks of the `previous` data set or of the `original` one, or `none`.
      rows: rows decoded or scored at a time.
      metrics: names of the metrics to record; None for all.
    """
    check_choices(
        "lm",
        family=family,
        dtype=dtype,
        optimizer=optimizer,
        schedule=schedule,
        keep=keep,
        method=method,
        prompts=prompts,
    )
    wanted = chosen_metrics(metrics, (*OF_MODELS, *OF_WRITING))
    block, tokenizer = text.validation.shape[1], text.tokenizer
    config, initial = decoder_of(
        text,
        checkpoint=checkpoint,
        family=family,
        num_layers=num_layers,
        num_heads=num_heads,
        width=width,
        ffn_width=ffn_width,
        dropout=dropout,
        prompts=prompts,
    )
    bos = _begin_token(text) if prompts == "none" else None
    setup = Setup(
        model=Decoder(config, DTYPES[dtype], remat),
        initial=initial,
        training=TrainingOptions(batch_size, epochs, optimizer, schedule, bos, config.has_dropout),
        keeps_best=keep == "best",
        validation=text.validation[:num_validation],
        plan=Plan(
            max_new_tokens=block,
            min_new_tokens=block if min_new_tokens is None else min(min_new_tokens, block),
            method=method,
            num_beams=num_beams if method == "beam" else 1,
            eos=() if tokenizer.eos is None else config.ends,
            pad=tokenizer.pad,
        ),
        rows=rows,
        bos=bos,
        dtype=tokenizer.dtype,
    )
    scored = lm_measure.Scored(
        setup.model, tokenizer.size, rows, bos, num_scored, partial(write, setup=setup)
    )
    draw = partial(sample, setup=setup)
    return Learner(
        partial(init, setup=setup),
        partial(fit_begin, setup=setup),
        partial(fit_step, setup=setup),
        partial(fit_end, setup=setup),
        draw,
        partial(lm_measure.measure, told=scored, wanted=wanted),
        num_steps=epochs,
        hosted=True,
        parts=Parts(draw, BATCHES_AT_ONCE * rows),
        prompts=PROMPTS[prompts],
        prepare=partial(lm_measure.prepare, told=scored),
    )


def _begin_token(text: Text) -> int:
    for token in (text.tokenizer.bos, text.tokenizer.eos):
        if token is not None:
            return token
    raise UserError(
        f"sampler.prompts='none' begins with the token of a text's beginning, and "
        f"data.tokenizer={text.tokenizer.name!r} has none"
    )


def _constant(params: Any) -> Any:
    """Host arrays for a compiled function, passed by a callback when it runs; as constants they
    would add half a gigabyte to the program."""
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params)
    return jax.pure_callback(lambda: jax.tree.map(np.asarray, params), shapes)

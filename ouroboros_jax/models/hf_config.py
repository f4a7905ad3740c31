"""`config.json` of the GPT-2 and OPT families, read and written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.models.decoder_config import DecoderConfig, FieldError

CONFIG = "config.json"
GENERATION = "generation_config.json"  # its end-of-text tokens override the config's


class Family(NamedTuple):
    """How a family names things in its config: what must be there, and what has a default."""

    architecture: str
    required: dict[str, str]  # our field -> theirs
    optional: dict[str, tuple[str, Any]]  # our field -> theirs, and its default
    fixed: dict[str, Any]  # our fields that are not in its config
    also: Callable[[dict[str, Any]], dict[str, Any]]  # the rest of ours


def _gpt2(raw: dict[str, Any]) -> dict[str, Any]:
    inner = raw.get("n_inner")
    return {"ffn_width": 4 * _whole(raw, "n_embd") if inner is None else inner}


def _opt(raw: dict[str, Any]) -> dict[str, Any]:
    is_first = raw.get("do_layer_norm_before", True)
    return {"final_norm": bool(is_first and not raw.get("_remove_final_layer_norm", False))}


FAMILIES = {
    "gpt2": Family(
        "GPT2LMHeadModel",
        {
            "vocab_size": "vocab_size",
            "num_positions": "n_positions",
            "width": "n_embd",
            "num_layers": "n_layer",
            "num_heads": "n_head",
        },
        {
            "activation": ("activation_function", "gelu_new"),
            "norm_eps": ("layer_norm_epsilon", 1e-5),
            "scale_attention": ("scale_attn_weights", True),
            "scale_by_layer": ("scale_attn_by_inverse_layer_idx", False),
            "tied": ("tie_word_embeddings", True),
            "embed_dropout": ("embd_pdrop", 0.1),
            "dropout": ("resid_pdrop", 0.1),
            "attention_dropout": ("attn_pdrop", 0.1),
            "init_std": ("initializer_range", 0.02),
            "bos": ("bos_token_id", 50256),
            "eos": ("eos_token_id", 50256),
            "pad": ("pad_token_id", None),
        },
        {},
        _gpt2,
    ),
    "opt": Family(
        "OPTForCausalLM",
        {
            "vocab_size": "vocab_size",
            "num_positions": "max_position_embeddings",
            "width": "hidden_size",
            "num_layers": "num_hidden_layers",
            "num_heads": "num_attention_heads",
            "ffn_width": "ffn_dim",
        },
        {
            "embed_width": ("word_embed_proj_dim", None),
            "activation": ("activation_function", "relu"),
            "norm_first": ("do_layer_norm_before", True),
            "norm_affine": ("layer_norm_elementwise_affine", True),
            "use_bias": ("enable_bias", True),
            "tied": ("tie_word_embeddings", True),
            "dropout": ("dropout", 0.1),
            "attention_dropout": ("attention_dropout", 0.0),
            "layer_dropout": ("layerdrop", 0.0),
            "init_std": ("init_std", 0.02),
            "bos": ("bos_token_id", 2),
            "eos": ("eos_token_id", 2),
            "pad": ("pad_token_id", 1),
        },
        {"position_offset": 2, "embed_dropout": 0.0},
        _opt,
    ),
}


def read_config(path: Path) -> DecoderConfig:
    """The model that a `config.json` describes.

    Raises:
      UserError: a file that is missing or not JSON, another family, a field that is missing or has
        a value that no model has.
    """
    raw = _read_fields(path)
    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise UserError(f"{path}: model_type is {kind!r}, expected {listed(FAMILIES)}")
    beside = path.with_name(GENERATION)
    if beside.is_file():
        ends = _read_fields(beside).get("eos_token_id")
        raw |= {} if ends is None else {"eos_token_id": ends}
    try:
        return parse_config(raw, kind)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_fields(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is not there: a checkpoint's folder has one") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path} holds {type(raw).__name__}, expected a config's fields")
    return raw


def parse_config(raw: dict[str, Any], kind: str) -> DecoderConfig:
    """The model that a config's fields describe.

    Raises:
      UserError: naming the field.
    """
    family = FAMILIES[kind]
    if raw.get("quantization_config") is not None:
        raise UserError("quantization_config is there, expected weights that are not quantized")
    if missing := [theirs for theirs in family.required.values() if theirs not in raw]:
        raise UserError(f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    fields = {ours: _whole(raw, theirs) for ours, theirs in family.required.items()}
    fields |= {ours: raw.get(theirs, value) for ours, (theirs, value) in family.optional.items()}
    if isinstance(fields["eos"], list):
        one, *more = fields["eos"] or [None]
        fields["eos"] = (one, *more) if more else one
    for ours in ("bos", "eos", "pad"):
        if _is_out_of_reach(fields[ours], family.optional[ours][1], ours, fields["vocab_size"]):
            fields[ours] = None
    for ours, value in fields.items():
        default = DecoderConfig.__dataclass_fields__[ours].default
        if isinstance(default, bool) and not isinstance(value, bool):
            theirs = family.optional[ours][0]
            raise FieldError(theirs, value, "true or false")
    try:
        return DecoderConfig(family=kind, **fields, **family.fixed, **family.also(raw))
    except FieldError as error:
        names = family.required | {ours: name for ours, (name, _) in family.optional.items()}
        theirs = names.get(error.field, error.field)
        raise FieldError(theirs, error.value, error.expected) from None


def config_fields(config: DecoderConfig) -> dict[str, Any]:
    """The fields of `config.json` for a model, as transformers reads them."""
    family = FAMILIES[config.family]
    raw: dict[str, Any] = {"model_type": config.family, "architectures": [family.architecture]}
    raw |= {theirs: getattr(config, ours) for ours, theirs in family.required.items()}
    raw |= {theirs: getattr(config, ours) for ours, (theirs, _) in family.optional.items()}
    if config.family == "gpt2":
        raw["n_inner"] = config.ffn_width
    else:
        raw["_remove_final_layer_norm"] = config.norm_first and not config.final_norm
    return raw | {"dtype": "float32", "use_cache": True}


def generation_fields(config: DecoderConfig) -> dict[str, Any]:
    """The fields of `generation_config.json`: the tokens that begin, end and pad a text."""
    raw = config_fields(config)
    return {name: raw[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}


def _is_out_of_reach(token: Any, default: int | None, ours: str, vocab_size: int) -> bool:
    """Whether a small model's config names a token beyond its vocabulary that it never needs: its
    family's default, which transformers writes into every config, or a padding of its own."""
    if isinstance(token, bool) or not isinstance(token, int):
        return False
    if ours == "pad" and not 0 <= token < vocab_size:
        return True
    return token == default and token >= vocab_size


def _whole(raw: dict[str, Any], name: str) -> int:
    value = raw[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(name, value, "a whole number")
    return value

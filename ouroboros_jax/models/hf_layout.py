"""Which tensor of a published checkpoint is which of our parameters.

torch's `Linear.weight` is (out, in), Flax's `kernel` (in, out). GPT-2's layers are `Conv1D`s,
which are the other way round in both: (in, out) in torch, and (out, in) in Hugging Face's Flax.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.models.decoder_config import DecoderConfig

Style = Literal["torch", "flax"]
PREFIXES = {"gpt2": ("transformer.",), "opt": ("model.decoder.", "decoder.", "model.")}
TORCH_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
# Buffers that old files hold besides parameters, such as causal masks.
BUFFERS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|embed_positions\._float_tensor|version")
HEAD = "lm_head.weight", "lm_head.kernel"
FLOATS = {"float16", "bfloat16", "float32", "float64"}
SHOWN = 5  # names listed in a refusal


class Weight(NamedTuple):
    """One of our parameters, and the modules of a checkpoint that make it up."""

    path: tuple[str, ...]  # in our tree, the last being kernel, bias, scale or embedding
    modules: tuple[str, ...]  # in order along the last axis
    shape: tuple[int, ...]  # ours
    is_linear: bool = True  # a torch Linear, not GPT-2's Conv1D

    def names(self, style: Style) -> list[str]:
        """Names of its parts in a file."""
        leaf = self.path[-1] if style == "flax" else TORCH_LEAVES[self.path[-1]]
        return [f"{module}.{leaf}" for module in self.modules]

    def is_transposed(self, style: Style) -> bool:
        """Whether a file holds it (out, in)."""
        return self.path[-1] == "kernel" and self.is_linear == (style == "torch")

    def part_shape(self, style: Style) -> tuple[int, ...]:
        """Shape of each part in a file."""
        shape = (*self.shape[:-1], self.shape[-1] // len(self.modules))
        return shape[::-1] if self.is_transposed(style) else shape


def weights(config: DecoderConfig) -> list[Weight]:
    """Every parameter of a model, in order."""
    found = {"gpt2": _gpt2, "opt": _opt}[config.family](config)
    if not config.tied:
        shape = (config.embed_width, config.vocab_size)
        found.append(Weight(("lm_head", "kernel"), ("lm_head",), shape))
    return found


def to_tree(config: DecoderConfig, flat: Mapping[str, np.ndarray], style: Style) -> dict[str, Any]:
    """A file's tensors as our parameters, float32.

    Raises:
      UserError: naming tensors that are missing, of another shape, not finite, or not part of the
        model.
    """
    flat = _without_prefix(config, flat)
    flat = {name: array for name, array in flat.items() if not BUFFERS.fullmatch(name)}
    known = weights(config)
    if config.tied:
        (table,) = known[0].names(style)
        heads = [flat[name].T if name == HEAD[1] else flat[name] for name in HEAD if name in flat]
        flat = {name: array for name, array in flat.items() if name not in HEAD}
        for head in heads:  # a file may hold the head and not the table
            _check_tied(flat.setdefault(table, head), head)
    names = [name for weight in known for name in weight.names(style)]
    _refuse([n for n in names if n not in flat], "missing")
    _refuse([n for n in flat if n not in set(names)], "no part of the model")
    kinds = {str(flat[name].dtype) for name in names} - FLOATS
    if kinds:
        raise UserError(f"tensors of {listed(sorted(kinds))}, expected {listed(sorted(FLOATS))}")
    tree: dict[str, Any] = {}
    wrong = []
    for weight in known:
        parts = [np.asarray(flat[name], np.float32) for name in weight.names(style)]
        expected = weight.part_shape(style)
        wrong += [
            f"{name} is {list(part.shape)}, expected {list(expected)}"
            for name, part in zip(weight.names(style), parts, strict=True)
            if part.shape != expected
        ]
        if wrong:
            continue
        if weight.is_transposed(style):
            parts = [part.T for part in parts]
        array = np.ascontiguousarray(np.concatenate(parts, -1) if len(parts) > 1 else parts[0])
        node = tree
        for name in weight.path[:-1]:
            node = node.setdefault(name, {})
        node[weight.path[-1]] = array
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError("of another shape: " + "; ".join(wrong[:SHOWN]) + more)
    _refuse([name for name in names if not np.isfinite(flat[name]).all()], "not finite")
    return tree


def to_flat(config: DecoderConfig, tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Our parameters under torch's names, as the language model's class writes them."""
    flat = {}
    prefix = PREFIXES[config.family][0]
    for weight in weights(config):
        node: Any = tree
        for name in weight.path:
            node = node[name]
        for name, part in zip(
            weight.names("torch"),
            np.split(np.asarray(node, np.float32), len(weight.modules), -1),
            strict=True,
        ):
            part = part.T if weight.is_transposed("torch") else part
            full = name if name in HEAD else prefix + name
            flat[full] = np.ascontiguousarray(part)
    return flat


def _gpt2(config: DecoderConfig) -> list[Weight]:
    d, f = config.width, config.ffn_width
    found = [
        Weight(("wte", "embedding"), ("wte",), (config.vocab_size, config.embed_width)),
        Weight(("wpe", "embedding"), ("wpe",), (config.num_positions, d)),
    ]
    for i in range(config.num_layers):
        found += _norm((f"h_{i}", "ln_1"), f"h.{i}.ln_1", config)
        found += _norm((f"h_{i}", "ln_2"), f"h.{i}.ln_2", config)
        for path, shape in (
            (("attn", "c_attn"), (d, 3 * d)),
            (("attn", "c_proj"), (d, d)),
            (("mlp", "c_fc"), (d, f)),
            (("mlp", "c_proj"), (f, d)),
        ):
            module = ".".join(("h", str(i), *path))
            found += _dense((f"h_{i}", *path), (module,), shape, config, is_linear=False)
    return found + _norm(("ln_f",), "ln_f", config)


def _opt(config: DecoderConfig) -> list[Weight]:
    d, f, e = config.width, config.ffn_width, config.embed_width
    rows = config.num_positions + config.position_offset
    found = [
        Weight(("wte", "embedding"), ("embed_tokens",), (config.vocab_size, e)),
        Weight(("wpe", "embedding"), ("embed_positions",), (rows, d)),
    ]
    for i in range(config.num_layers):
        at = f"layers.{i}"
        qkv = tuple(f"{at}.self_attn.{name}_proj" for name in "qkv")
        found += _norm((f"h_{i}", "ln_1"), f"{at}.self_attn_layer_norm", config)
        found += _norm((f"h_{i}", "ln_2"), f"{at}.final_layer_norm", config)
        found += _dense((f"h_{i}", "attn", "c_attn"), qkv, (d, 3 * d), config)
        found += _dense((f"h_{i}", "attn", "c_proj"), (f"{at}.self_attn.out_proj",), (d, d), config)
        found += _dense((f"h_{i}", "mlp", "c_fc"), (f"{at}.fc1",), (d, f), config)
        found += _dense((f"h_{i}", "mlp", "c_proj"), (f"{at}.fc2",), (f, d), config)
    if config.final_norm:
        found += _norm(("ln_f",), "final_layer_norm", config)
    if config.projects:
        found.append(Weight(("project_in", "kernel"), ("project_in",), (e, d)))
        found.append(Weight(("project_out", "kernel"), ("project_out",), (d, e)))
    return found


def _dense(path, modules, shape, config, is_linear=True) -> list[Weight]:
    found = [Weight((*path, "kernel"), modules, shape, is_linear)]
    if config.use_bias:
        found.append(Weight((*path, "bias"), modules, shape[1:], is_linear))
    return found


def _norm(path, module, config) -> list[Weight]:
    if not config.norm_affine:
        return []
    return [Weight((*path, leaf), (module,), (config.width,)) for leaf in ("scale", "bias")]


def _without_prefix(config, flat) -> dict[str, np.ndarray]:
    prefixes = PREFIXES[config.family]

    def strip(name):
        return next((name[len(p) :] for p in prefixes if name.startswith(p)), name)

    found = {strip(name): array for name, array in flat.items()}
    if len(found) < len(flat):
        raise UserError("tensors stand there twice, with and without a prefix")
    return found


def _check_tied(table: np.ndarray, head: np.ndarray) -> None:
    """Refuse a separate head if the config says that the head is the embedding."""
    if head.shape != table.shape or not np.array_equal(head, table):
        raise UserError("lm_head differs from the embedding, which tie_word_embeddings says it is")


def _refuse(names: list[str], what: str) -> None:
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise UserError(f"{what}: {listed(names[:SHOWN])}{more}")

"""Decoding and training beside transformers and torch: same weights, same shapes, one process.

    pip install -e '.[bench]'
    python tests/bench/language.py [tiny|gpt2] [sample|beam|train]

`tiny` has 4 layers, width 128, a vocabulary of 2,048 and decodes 16 rows; `gpt2` is GPT-2's 124M
and decodes 4. Prompts of 64 tokens are continued by 64: drawn from the whole law, or by 5 beams
with repetition_penalty 3. Training is AdamW with dropout on batches of 16 or 8 blocks of 64. Both
sides take turns, and the medians are compared. Where there is a GPU both use it, in bfloat16.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from lm_epochs import epochs_of
from timing import show

from ouroboros_jax.decoding import Knobs, Plan, generate
from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.models.hf_config import parse_config
from ouroboros_jax.models.hf_layout import to_tree

LENGTH, REPEATS = 64, 5
CHAINS = 4


class Shape(NamedTuple):
    """A model, and how much of it is asked for."""

    fields: dict[str, int]
    rows: int  # decoded
    batch: int  # trained on
    targets: dict[str, float]


SHAPES = {
    "tiny": Shape(
        {"vocab_size": 2048, "n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": 256},
        *(16, 16, {"sample": 2.5, "beam": 3.0, "train": 1.0, "train_4_chains": 0.9}),
    ),
    "gpt2": Shape({}, 4, 8, {"sample": 2.0, "beam": 2.0, "train": 1.0, "train_4_chains": 0.9}),
}


class Pair(NamedTuple):
    """The same model twice."""

    theirs: Any
    ours: Decoder
    params: Any
    device: str


def make_pair(shape: Shape) -> Pair:
    """A random GPT-2 of transformers, and its weights in ours."""
    torch.manual_seed(0)
    end = shape.fields.get("vocab_size", 50257) - 1
    config = transformers.GPT2Config(
        **shape.fields, bos_token_id=end, eos_token_id=end, pad_token_id=end
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    fields = config.to_dict() | {"model_type": "gpt2"}
    flat = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    ours_config = parse_config(fields, "gpt2")
    has_gpu = torch.cuda.is_available() and jax.default_backend() == "gpu"
    ours = Decoder(ours_config, jnp.bfloat16 if has_gpu else jnp.float32)
    params = jax.tree.map(jnp.asarray, to_tree(ours_config, flat, "torch"))
    if has_gpu:
        theirs = theirs.cuda().to(torch.bfloat16)
    return Pair(theirs, ours, params, "cuda" if has_gpu else "cpu")


def compare(name: str, shape: str, tokens: int, ours: Callable, theirs: Callable, **more) -> None:
    """Time both in turns after a first call of each, and print the ratio of the medians."""
    ours(), theirs()
    rates: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    for _ in range(REPEATS):
        for side, call in (("ours", ours), ("theirs", theirs)):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rates[side].append((tokens / wall, cpu / wall))
    middle = {side: sorted(found)[REPEATS // 2] for side, found in rates.items()}
    show(
        benchmark="language",
        what=name,
        shape=shape,
        tokens_per_second=middle["ours"][0],
        peer="transformers and torch",
        peer_tokens_per_second=middle["theirs"][0],
        ratio=middle["ours"][0] / middle["theirs"][0],
        target=SHAPES[shape].targets.get(name),
        cpu_per_wall=middle["ours"][1],
        peer_cpu_per_wall=middle["theirs"][1],
        **more,
    )


def decoding(shape: str, method: str) -> None:
    """Tokens a second of `sample` or `beam`; beams of both sides are compared as well."""
    asked, pair = SHAPES[shape], make_pair(SHAPES[shape])
    vocab = pair.ours.config.vocab_size
    prompts = np.random.default_rng(0).integers(0, vocab - 1, (asked.rows, LENGTH))
    is_beam = method == "beam"
    eos = pair.ours.config.eos
    plan = Plan(LENGTH, LENGTH, method, 5 if is_beam else 1, eos, eos)
    knobs = Knobs(repetition_penalty=3.0 if is_beam else 1.0)
    options = {"num_beams": 5, "do_sample": False, "repetition_penalty": 3.0}
    options = options if is_beam else {"do_sample": True, "top_k": 0}
    theirs_prompts = torch.tensor(prompts, device=pair.device)

    def ours():
        return generate(
            pair.ours, pair.params, prompts, plan, key=jax.random.key(0), knobs=knobs
        ).tokens.block_until_ready()

    def theirs():
        with torch.no_grad():
            return (
                pair.theirs.generate(
                    theirs_prompts,
                    attention_mask=torch.ones_like(theirs_prompts),
                    min_new_tokens=LENGTH,
                    max_new_tokens=LENGTH,
                    **options,
                )[:, LENGTH:]
                .cpu()
                .numpy()
            )

    same = {"rows_alike": float((ours() == theirs()).all(1).mean())} if is_beam else {}
    compare(method, shape, asked.rows * LENGTH, ours, theirs, **same)


def training(shape: str, steps: int) -> None:
    """Tokens a second of AdamW steps, of one chain and of four in one call."""
    asked, pair = SHAPES[shape], make_pair(SHAPES[shape])
    vocab = pair.ours.config.vocab_size
    tokens = np.random.default_rng(0).integers(0, vocab, (steps * asked.batch, LENGTH))
    ours = epochs_of(pair.ours, pair.params, tokens, asked.batch)
    optimizer = torch.optim.AdamW(pair.theirs.parameters(), lr=1e-4)
    batches = torch.tensor(tokens, device=pair.device).split(asked.batch)
    pair.theirs.train()

    def theirs():
        for batch in batches:
            optimizer.zero_grad()
            pair.theirs(batch, labels=batch).loss.backward()
            optimizer.step()

    compare("train", shape, tokens.size, partial(ours, 1), theirs)
    compare(
        "train_4_chains",
        shape,
        CHAINS * tokens.size,
        partial(ours, CHAINS),
        lambda: [theirs() for _ in range(CHAINS)],
    )


BENCHMARKS: dict[str, Callable[[str], None]] = {
    "sample": partial(decoding, method="sample"),
    "beam": partial(decoding, method="beam"),
    "train": lambda shape: training(shape, 16 if shape == "tiny" else 2),
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    words = sys.argv[1:]
    for shape in [name for name in SHAPES if name in words] or SHAPES:
        for name in [name for name in BENCHMARKS if name in words] or BENCHMARKS:
            BENCHMARKS[name](shape)


if __name__ == "__main__":
    main()

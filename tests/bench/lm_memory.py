"""Peak memory of a process that trains GPT-2's 124M on batches of 8 blocks of 64 tokens.

python tests/bench/lm_memory.py
"""

import resource

import jax
import jax.numpy as jnp
import numpy as np
from lm_epochs import epochs_of
from timing import show

from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.models.hf_config import parse_config

BATCH, LENGTH = 8, 64
GPT2 = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024}
GPT2 |= {"n_embd": 768, "n_layer": 12, "n_head": 12}


def main() -> None:
    """Two steps of AdamW, from random parameters."""
    config = parse_config(GPT2, "gpt2")
    model = Decoder(config, jnp.float32)
    some = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(lambda key: model.init(key, some, some)["params"])(jax.random.key(0))
    num = sum(a.size for a in jax.tree.leaves(params))
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, (2 * BATCH, LENGTH))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    epochs_of(model, params, tokens, BATCH)(1)
    show(
        benchmark="memory of training",
        parameters=num,
        gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        gigabytes_before=before * 1024 / 1e9,
        target=4.0,
    )


if __name__ == "__main__":
    main()

"""Dropout of numbers and of layers: shares, scales and their ends."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.models.checkpoints import load
from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.models.dropout import Dropout

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_share_is_dropped_and_the_rest_scaled(rate):
    x = jnp.ones(40_000)
    rngs = {"dropout": jax.random.key(0)}
    out = Dropout(rate).apply({}, x, deterministic=False, rngs=rngs)
    np.testing.assert_allclose(out[out > 0], 1 / (1 - rate) if rate < 1 else 0, rtol=1e-4)
    z = ((out == 0).mean() - rate) / max(rate * (1 - rate) / len(x), 1e-30) ** 0.5
    assert abs(z) < 4
    assert (Dropout(rate).apply({}, x, deterministic=True) == x).all()


def test_layers_are_passed_by():
    """As transformers does of OPT in training: `layerdrop` of 1 leaves the embeddings."""
    loaded = load(str(FIXTURES / "tiny-opt"))
    quiet = {"dropout": 0.0, "attention_dropout": 0.0}
    tokens = jnp.asarray(np.random.default_rng(0).integers(8, 100, (3, 6)))
    positions = jnp.broadcast_to(jnp.arange(6), tokens.shape)

    def hidden(rate, key, **options):
        config = dataclasses.replace(loaded.config, **quiet, layer_dropout=rate)
        call = Decoder(config).apply
        rngs = {"dropout": key}
        return call({"params": loaded.params}, tokens, positions, rngs=rngs, **options).hidden

    embedded, first, last = map(np.asarray, hidden(1.0, jax.random.key(0), deterministic=False))
    np.testing.assert_array_equal(first, embedded)
    norm = loaded.params["ln_f"]
    centred = embedded - embedded.mean(-1, keepdims=True)
    scale = np.sqrt(embedded.var(-1, keepdims=True) + loaded.config.norm_eps)
    np.testing.assert_allclose(last, centred / scale * norm["scale"] + norm["bias"], atol=1e-4)

    whole = hidden(0.0, jax.random.key(0))[1]
    np.testing.assert_array_equal(hidden(0.25, jax.random.key(0))[1], whole)
    some = jax.jit(lambda key: hidden(0.25, key, deterministic=False)[1])
    passed = [bool((some(jax.random.key(i)) == embedded).all()) for i in range(200)]
    kept = [bool(np.allclose(some(jax.random.key(i)), whole, atol=1e-5)) for i in range(200)]
    assert all(a != b for a, b in zip(passed, kept, strict=True))
    assert abs(np.mean(passed) - 0.25) < 4 * (0.25 * 0.75 / 200) ** 0.5

"""Published checkpoints beside the outputs of the code that wrote them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.models.checkpoints import load
from ouroboros_jax.models.decoder import Decoder, positions_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"
MODELS = ("tiny-gpt2", "tiny-opt", "tiny-opt-350m-like")
FILES = ("model.safetensors", "flax_model.msgpack", "pytorch_model.bin")


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(name):
    return load(str(FIXTURES / name))


@pytest.fixture(scope="module")
def reference(name):
    with np.load(FIXTURES / name / "reference.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def apply(loaded):
    return jax.jit(Decoder(loaded.config).apply)


@pytest.mark.parametrize("file", FILES)
def test_weight_files_hold_the_same_numbers(name, loaded, file):
    other = load(str(FIXTURES / name), file)
    assert other.config == loaded.config
    assert jax.tree.structure(other.params) == jax.tree.structure(loaded.params)
    for a, b in zip(jax.tree.leaves(other.params), jax.tree.leaves(loaded.params), strict=True):
        assert a.dtype == b.dtype == np.float32 and (a == b).all()


def test_logits_and_hidden_states(loaded, reference, apply):
    tokens = jnp.asarray(reference["input_ids"])
    positions = jnp.broadcast_to(jnp.arange(8), tokens.shape)
    out = apply({"params": loaded.params}, tokens, positions)
    np.testing.assert_allclose(out.logits, reference["logits"], atol=1e-4)
    np.testing.assert_allclose(out.logits[:, -1], reference["flax_last_logits"], atol=1e-4)
    assert len(out.hidden) == 3
    for i, hidden in enumerate(out.hidden):
        np.testing.assert_allclose(hidden[:1], reference[f"hidden_{i}"], atol=1e-4)
    log_probs = jax.nn.log_softmax(out.logits)[:, :-1]
    nll = -jnp.take_along_axis(log_probs, tokens[:, 1:, None], -1)[..., 0]
    np.testing.assert_allclose(nll, reference["nll_per_token"], atol=1e-4)


def test_padded_rows(loaded, reference, apply):
    mask = reference["attention_mask"].astype(bool)
    tokens = jnp.asarray(reference["padded_input_ids"])
    by_mask = reference.get("padded_logits_position_ids", reference["padded_logits_default"])
    logits = apply({"params": loaded.params}, tokens, positions_of(mask), mask).logits
    np.testing.assert_allclose(logits[mask], by_mask[mask], atol=1e-4)
    np.testing.assert_allclose(logits[:, -1], reference["flax_padded_last_logits"], atol=1e-4)
    if loaded.config.family == "gpt2":  # whose `forward` counts padding as well
        plain = jnp.broadcast_to(jnp.arange(8), tokens.shape)
        logits = apply({"params": loaded.params}, tokens, plain, mask).logits
        np.testing.assert_allclose(
            logits[mask], reference["padded_logits_default"][mask], atol=1e-4
        )


@pytest.mark.parametrize("name", ["tiny-opt", "tiny-gpt2"], indirect=True)
def test_padding_of_opt_learns_as_an_output_alone(name, loaded):
    """As torch's `padding_idx`: its row's gradient is that of the head, which is a product."""
    pad = loaded.config.pad if name == "tiny-opt" else 7
    tokens = np.random.default_rng(0).integers(8, 100, (2, 8))
    tokens[0, 3] = tokens[1, 6:] = pad
    positions = jnp.broadcast_to(jnp.arange(8), tokens.shape)
    after = jax.nn.one_hot(tokens[:, 1:], loaded.config.vocab_size)

    @jax.value_and_grad
    def gradient(params):
        out = Decoder(loaded.config).apply({"params": params}, jnp.asarray(tokens), positions)
        return -(jax.nn.log_softmax(out.logits)[:, :-1] * after).sum()

    out = Decoder(loaded.config).apply({"params": loaded.params}, jnp.asarray(tokens), positions)
    errors = (jax.nn.softmax(out.logits)[:, :-1] - after)[..., pad]
    of_head = jnp.einsum("bt,btd->d", errors, out.hidden[-1][:, :-1])
    found = gradient(loaded.params)[1]["wte"]["embedding"][pad]
    assert np.allclose(found, of_head, atol=1e-4) == (name == "tiny-opt")


@pytest.mark.parametrize("name", ["tiny-opt", "tiny-gpt2"], indirect=True)
def test_padding_of_opt_begins_at_zero(name, loaded):
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(Decoder(loaded.config).init)(jax.random.key(0), tokens, tokens)["params"]
    is_zero = ~np.asarray(params["wte"]["embedding"]).any(-1)
    np.testing.assert_array_equal(
        np.flatnonzero(is_zero), [loaded.config.untrained_row] * (name == "tiny-opt")
    )

"""Decoding beside transformers' own sequences and scores, from all three kinds of weight file."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.decoding import Knobs, Plan, generate
from ouroboros_jax.decoding.sampling import seen_in
from ouroboros_jax.decoding.stepping import empty_slots, prefill, step
from ouroboros_jax.errors import UserError
from ouroboros_jax.models.checkpoints import load
from ouroboros_jax.models.decoder import Decoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"
MODELS = ("tiny-gpt2", "tiny-opt", "tiny-opt-350m-like")
NEW, PROMPT = 16, 8


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its reference outputs, and its decoding compiled once for each plan."""
    loaded = load(str(FIXTURES / request.param))
    with np.load(FIXTURES / request.param / "reference.npz") as arrays:
        reference = dict(arrays)
    model = Decoder(loaded.config)
    config = loaded.config
    pad = config.eos if config.pad is None else config.pad

    def decode(
        method, penalty, prompts, mask=None, min_new=NEW, num_beams=1, eos=config.eos, pad=pad
    ):
        plan = Plan(NEW, min_new, method, num_beams, eos, pad)
        knobs = Knobs(repetition_penalty=penalty)
        return generate(model, loaded.params, prompts, plan, mask=mask, knobs=knobs)

    decode.pad = pad
    return decode, reference


def prompts_of(reference, tag):
    if tag:
        return reference["padded_input_ids"], reference["attention_mask"].astype(bool)
    return reference["input_ids"], np.ones((3, PROMPT), bool)


@pytest.mark.parametrize("tag", ["", "padded_"])
@pytest.mark.parametrize(("suffix", "penalty"), [("", 1.0), ("_rep3", 3.0)])
def test_greedy(case, tag, suffix, penalty):
    decode, reference = case
    prompts, mask = prompts_of(reference, tag)
    found = decode("greedy", penalty, prompts, mask)
    expected = reference[f"{tag}greedy{suffix}"]
    np.testing.assert_array_equal(expected[:, :PROMPT], prompts)
    np.testing.assert_array_equal(found.tokens, expected[:, PROMPT:])


@pytest.mark.parametrize("tag", ["", "padded_"])
@pytest.mark.parametrize(("suffix", "penalty"), [("", 1.0), ("_rep3", 3.0)])
def test_beams(case, tag, suffix, penalty):
    decode, reference = case
    found = decode("beam", penalty, *prompts_of(reference, tag), num_beams=5)
    np.testing.assert_array_equal(found.tokens, reference[f"{tag}beam5{suffix}"][:, PROMPT:])
    scores = reference[f"{tag}beam5{suffix}_scores"]
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)


@pytest.mark.parametrize("case", ["tiny-gpt2", "tiny-opt"], indirect=True)
def test_beams_that_may_end(case):
    decode, reference = case
    prompts, mask = prompts_of(reference, "padded_")
    found = decode("beam", 3.0, prompts, mask, min_new=0, num_beams=5)
    expected = reference["padded_beam5_rep3_eos_allowed"][:, PROMPT:]
    np.testing.assert_array_equal(found.tokens, expected)
    scores = reference["padded_beam5_rep3_eos_allowed_scores"]
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)


@pytest.mark.parametrize("case", ["tiny-gpt2"], indirect=True)
def test_any_of_several_tokens_ends_a_text(case):
    """At the first of them, as far as which a text is what it is without an end."""
    decode, reference = case
    prompts, mask = prompts_of(reference, "")
    free = np.asarray(decode("greedy", 1.0, prompts, mask).tokens)
    ends = tuple({int(free[0, 5]), int(free[1, 2])})
    found = np.asarray(decode("greedy", 1.0, prompts, mask, min_new=0, eos=ends).tokens)
    for row, expected in zip(found, free, strict=True):
        stop = np.flatnonzero(np.isin(expected, ends))
        length = stop[0] + 1 if len(stop) else NEW
        np.testing.assert_array_equal(row[:length], expected[:length])
        assert (row[length:] == decode.pad).all()
    assert np.isin(found[0], ends).any() and np.isin(found[1], ends).any()


@pytest.mark.parametrize("case", ["tiny-gpt2"], indirect=True)
@pytest.mark.parametrize(
    ("method", "pad", "fill"),
    [
        ("greedy", None, "end"),
        ("beam", None, "end"),
        ("greedy", 0, 0),
        ("beam", 0, "end"),
        ("beam", 9, 9),
    ],
)
def test_what_follows_the_end(case, method, pad, fill):
    """Without a padding the end's token again; transformers takes 0 for none in beams alone."""
    decode, reference = case
    prompts, mask = prompts_of(reference, "")
    free = np.asarray(decode(method, 1.0, prompts, mask, num_beams=1).tokens)
    end = int(free[0, 5])
    found = decode(method, 1.0, prompts, mask, min_new=0, eos=end, num_beams=1, pad=pad)
    row = np.asarray(found.tokens)[0]
    stop = int(np.flatnonzero(row == end)[0])
    assert stop < NEW - 1
    assert (row[stop + 1 :] == (end if fill == "end" else fill)).all()


@pytest.mark.parametrize("case", ["tiny-gpt2"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eos": 999}, "eos is 999, expected one of the 128 tokens"),
        ({"eos": (1, -1)}, "eos is -1"),
        ({"num_beams": 0}, "num_beams is 0, expected at least 1"),
        ({"min_new": NEW + 1}, "min_new_tokens is 17, expected 0 to the 16"),
        ({"penalty": 0.0}, "repetition_penalty is 0.0, expected a number above 0"),
        ({"prompts": np.full((1, 4), 128)}, "tokens from 128 to 128, expected those of"),
        ({"prompts": np.ones((1, 60), int)}, "more than the 64 positions"),
        ({"mask": np.array([[1, 1, 1, 0]])}, "mask leaves out the last token of prompt 0"),
        ({"method": "sample"}, "method='sample' draws, expected a key"),
        ({"prompts": np.ones((1, 0), int)}, r"prompts have shape \[1, 0\], expected \[B, P\]"),
        ({"prompts": np.ones(4, int)}, r"prompts have shape \[4\], expected \[B, P\]"),
        (
            {"method": "beam", "num_beams": 2, "eos": tuple(range(128))},
            "eos has 128 tokens, expected at most 127 for beams",
        ),
    ],
)
def test_what_cannot_be_decoded(case, settings, sentence):
    decode, _ = case
    with pytest.raises(UserError, match=sentence):
        decode(**{"method": "greedy", "penalty": 1.0, "prompts": np.ones((1, 4), int)} | settings)


def test_a_masked_token_within_a_prompt_is_penalised():
    """As by transformers, which leaves out nothing but what stands before a prompt."""
    prompts = jnp.asarray([[5, 6, 7, 8]])
    mask = jnp.asarray([[0, 1, 0, 1]], bool)
    seen = np.flatnonzero(seen_in(prompts, mask, 128)[0])
    np.testing.assert_array_equal(seen, [6, 7, 8])


@pytest.mark.parametrize("case", ["tiny-opt"], indirect=True)
def test_a_row_alone_equals_the_row_in_a_batch(case):
    decode, reference = case
    prompts, mask = prompts_of(reference, "padded_")
    together = decode("beam", 3.0, prompts, mask, num_beams=5)
    for i in range(3):
        alone = decode("beam", 3.0, prompts[i : i + 1], mask[i : i + 1], num_beams=5)
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[i])
        np.testing.assert_allclose(alone.scores[0], together.scores[i], atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_cache_and_no_cache(name):
    """Logits of a continuation, step by step from the cache and all at once without."""
    loaded = load(str(FIXTURES / name))
    model = Decoder(loaded.config)
    tokens = jnp.asarray(np.random.default_rng(0).integers(3, 120, (3, 20)))

    @jax.jit
    def both(params, tokens):
        positions = jnp.broadcast_to(jnp.arange(20), tokens.shape)
        whole = model.apply({"params": params}, tokens, positions).logits
        prefix, logits = prefill(model, params, tokens[:, :8], jnp.ones((3, 8), bool))

        def one(slots, t):
            visible = jnp.broadcast_to(jnp.arange(12) <= t, (3, 1, 12))
            token = tokens[:, 8 + t, None]
            slots, logits = step(model, params, prefix, slots, token, t, visible)
            return slots, logits[:, 0]

        _, found = jax.lax.scan(one, empty_slots(prefix, 12), jnp.arange(12))
        return whole[:, 7:], jnp.concatenate([logits[None], found]).swapaxes(0, 1)

    whole, stepped = both(loaded.params, tokens)
    np.testing.assert_allclose(stepped, whole, atol=1e-5)


def test_ends_as_a_list(case):
    decode, reference = case
    prompts, _ = prompts_of(reference, "")
    for method, beams in (("greedy", 1), ("beam", 2)):
        one, other = (decode(method, 1.0, prompts, None, 0, beams, e) for e in ([3, 4], (3, 4)))
        np.testing.assert_array_equal(one.tokens, other.tokens)


def test_the_fill_of_a_plan():
    """As documented, what beams and draws both put after the end."""
    assert Plan(4, method="beam", eos=5, pad=0).fill == 5
    assert Plan(4, method="beam", eos=[5, 6], pad=7).fill == 7
    assert Plan(4, method="greedy", eos=5, pad=0).fill == 0
    assert Plan(4, method="greedy", eos=[5, 6]).fill == 5
    assert Plan(4).fill == 0

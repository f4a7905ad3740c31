"""Penalties, restrictions and draws against plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ouroboros_jax.decoding import Knobs, Plan, continue_rows, generate
from ouroboros_jax.decoding.choice import draw, forbid, penalise, restrict
from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.models.decoder_config import DecoderConfig


def by_sorting(logits, top_k, top_p):
    """Which of one row's logits stay, as transformers' warpers do it."""
    kept = np.ones(len(logits), bool)
    order = np.argsort(logits)[::-1]
    if top_k:
        kept[order[top_k:]] = False
    if top_p < 1:
        mass = np.where(kept, np.exp(logits - logits.max()), 0)
        mass = mass / mass.sum()
        above = np.cumsum(mass[order]) - mass[order]
        kept[order[above >= top_p]] = False
    return kept


@pytest.mark.parametrize(
    ("top_k", "top_p"), [(0, 1.0), (1, 1.0), (7, 1.0), (200, 1.0), (0, 0.3), (0, 0.95), (20, 0.5)]
)
def test_restrictions(top_k, top_p):
    logits = 3 * np.random.default_rng(0).standard_normal((4, 101)).astype(np.float32)
    found = jax.jit(restrict)(logits, top_k, top_p)
    for row, original in zip(np.asarray(found), logits, strict=True):
        kept = by_sorting(original, top_k, top_p)
        np.testing.assert_array_equal(np.isfinite(row), kept)
        np.testing.assert_array_equal(row[kept], original[kept])


def test_restrictions_of_equal_and_forbidden_logits():
    logits = jnp.array([[2.0, 2.0, 1.0, -jnp.inf, 0.0]])
    found = restrict(logits, 1, 1.0)[0]
    np.testing.assert_array_equal(jnp.isfinite(found), [True, True, False, False, False])
    found = restrict(logits, 4, 1.0)[0]
    np.testing.assert_array_equal(jnp.isfinite(found), [True, True, True, False, True])
    for share in (1e-6, 0.0):
        found = restrict(logits, 0, share)[0]
        np.testing.assert_array_equal(jnp.isfinite(found), [True, True, False, False, False])


def test_penalties():
    logits = jnp.array([2.0, -2.0, 2.0, -2.0])
    seen = jnp.array([True, True, False, False])
    np.testing.assert_allclose(penalise(logits, seen, 4.0), [0.5, -8.0, 2.0, -2.0])
    np.testing.assert_array_equal(penalise(logits, seen, 1.0), logits)
    np.testing.assert_array_equal(forbid(logits, (1,), True), [2.0, -np.inf, 2.0, -2.0])
    np.testing.assert_array_equal(forbid(logits, (1, 2), False), logits)
    np.testing.assert_array_equal(forbid(logits, (), True), logits)


@pytest.mark.parametrize("vocab", [2, 5, 16, 100])
def test_draws_have_the_law_of_the_logits(vocab):
    """Pearson's test at 1e-6, rare tokens pooled; and nothing forbidden is ever drawn."""
    rng = np.random.default_rng(vocab)
    logits = 2 * rng.standard_normal(vocab).astype(np.float32)
    logits[rng.random(vocab) < 0.2] = -np.inf
    logits[0] = 0.0
    num = 200_000
    uniforms = jax.random.uniform(jax.random.key(vocab), (num, 2))
    drawn = jax.jit(draw)(uniforms, jnp.broadcast_to(logits, (num, vocab)))
    counts = np.bincount(drawn, minlength=vocab)
    probabilities = np.exp(np.float64(logits))
    probabilities /= probabilities.sum()
    assert counts[probabilities == 0].sum() == 0
    often = probabilities * num >= 20
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(probabilities[often], probabilities[~often].sum()) * num
    observed, expected = observed[expected > 0], expected[expected > 0]
    assert len(expected) == 1 or stats.chisquare(observed, expected).pvalue > 1e-6


def test_draws_at_the_ends_of_the_unit_interval():
    logits = jnp.array([[-jnp.inf, 0.0, -jnp.inf, -40.0, -jnp.inf]])
    for first in (0.0, 1 - 2**-24):
        for second in (0.0, 1 - 2**-24):
            token = draw(jnp.array([[first, second]]), logits)
            assert int(token[0]) in (1, 3)


pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def tiny():
    model = Decoder(DecoderConfig(37, 32, 16, 1, 2, 32, init_std=0.3))
    tokens = jnp.zeros((1, 2), int)
    return model, model.init(jax.random.key(0), tokens, tokens)["params"]


def prompts_of(num):
    return jnp.asarray(np.random.default_rng(1).integers(0, 37, (num, 5)))


def test_rows_do_not_depend_on_batches(tiny):
    model, params = tiny
    prompts = prompts_of(7)
    key, plan = jax.random.key(3), Plan(6)
    found = {
        size: np.asarray(continue_rows(key, model, params, prompts, Knobs(), plan, size))
        for size in (2, 7)
    }
    np.testing.assert_array_equal(found[2], found[7])
    fewer = continue_rows(key, model, params, prompts[:3], Knobs(), plan, 2)
    np.testing.assert_array_equal(fewer, found[2][:3])
    places = jnp.array([5, 1, 6])
    some = continue_rows(key, model, params, prompts, Knobs(), plan, 2, places)
    np.testing.assert_array_equal(some, found[2][places])
    other = continue_rows(jax.random.key(4), model, params, prompts, Knobs(), plan, 7)
    assert not np.array_equal(other, found[7])


def test_knobs_are_traced_and_neutral(tiny):
    """One program serves all values; a temperature near 0, one token, or no mass is greedy."""
    model, params = tiny
    prompts = prompts_of(4)
    traces = []

    @jax.jit
    def sample(knobs):
        traces.append(1)
        return generate(model, params, prompts, Plan(6), key=jax.random.key(0), knobs=knobs).tokens

    greedy = generate(model, params, prompts, Plan(6, method="greedy")).tokens
    plain = sample(Knobs())
    assert not np.array_equal(plain, greedy)
    for knobs in (Knobs(temperature=1e-4), Knobs(top_k=1), Knobs(top_p=1e-6)):
        np.testing.assert_array_equal(sample(knobs), greedy)
    np.testing.assert_array_equal(sample(Knobs(top_k=37, top_p=1.0)), plain)
    assert len(traces) == 1


def test_an_end_of_text_is_followed_by_padding(tiny):
    model, params = tiny
    prompts = prompts_of(64)
    plan = Plan(12, 3, eos=4, pad=36)
    tokens = np.asarray(generate(model, params, prompts, plan, key=jax.random.key(0)).tokens)
    assert not (tokens[:, :3] == 4).any()
    ended = [row for row in tokens if 4 in row]
    assert len(ended) > 3
    for row in ended:
        assert (row[list(row).index(4) + 1 :] == 36).all()
    never = generate(
        model, params, prompts, plan._replace(min_new_tokens=12), key=jax.random.key(0)
    )
    assert not (np.asarray(never.tokens) == 4).any()


def test_prompts_longer_than_the_positions(tiny):
    model, params = tiny
    with pytest.raises(
        ValueError, match="prompts of 30 tokens and 8 new ones are more than the 32"
    ):
        generate(model, params, jnp.zeros((1, 30), int), Plan(8, method="greedy"))


def test_chains_side_by_side(tiny):
    """`vmap` over parameters and knobs gives each chain what it gets alone."""
    model, params = tiny
    others = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a]), params)
    prompts = prompts_of(4)
    knobs = Knobs(top_p=jnp.array([1.0, 0.7]))

    def one(key, params, knobs):
        return continue_rows(key, model, params, prompts, knobs, Plan(6), 4)

    keys = jax.random.split(jax.random.key(0), 2)
    axes = Knobs(None, None, 0, None, None)
    together = jax.vmap(one, (0, 0, axes))(keys, others, knobs)
    for i in range(2):
        here = jax.tree.map(lambda a, i=i: a[i], others)
        alone = one(keys[i], here, Knobs(top_p=knobs.top_p[i]))
        np.testing.assert_array_equal(together[i], alone)

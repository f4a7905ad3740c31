"""The language model's fit and draws: the optimiser as torch has it, epochs, weights, collapse."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.data.text import Text
from ouroboros_jax.data.tokenizer import Tokenizer
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners import lm_training
from ouroboros_jax.learners.lm import lm
from ouroboros_jax.learners.lm_loss import mean_loss, token_losses
from ouroboros_jax.learners.lm_model import decoder_of
from ouroboros_jax.models.checkpoints import load
from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.models.decoder_config import DecoderConfig

pytestmark = pytest.mark.usefixtures("quick_compilation")

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"
VOCAB, BLOCK = 12, 8
RATES = {"learning_rate": 0.01, "weight_decay": 0.01, "clip_norm": 0.0, "warmup": 0.1}
SAMPLER = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
}
NO_DROPOUT = {"embed_dropout": 0.0, "dropout": 0.0, "attention_dropout": 0.0}
MODEL = Decoder(DecoderConfig(VOCAB, 2 * BLOCK, 16, 1, 2, 64, **NO_DROPOUT))
TINY = {"num_layers": 1, "num_heads": 2, "width": 16, "batch_size": 8, "rows": 64}


def text_of(validation, vocab=VOCAB, **ends):
    tokenizer = Tokenizer("words", vocab, None, None, None, **ends)
    return Text(tokenizer, np.asarray(validation))


def settings_of(learner=(), sampler=()):
    none = jnp.int32(0)
    learner, sampler = RATES | dict(learner), SAMPLER | dict(sampler)
    sections = (
        {name: jnp.float32(value) for name, value in section.items()}
        for section in (learner, sampler)
    )
    rates, knobs = sections
    return Settings(none, none, none, rates, {}, knobs, {})


def pool_of(tokens, weights=None):
    weights = jnp.ones(len(tokens)) if weights is None else jnp.asarray(weights, jnp.float32)
    return Pool(
        jnp.asarray(tokens), weights, jnp.zeros(len(tokens), jnp.int32), weights.sum()[None]
    )


def markov_blocks(num, seed, block=BLOCK, vocab=VOCAB):
    """Blocks of a chain whose every token is followed by few others, some of them rarely."""
    law = np.random.default_rng(7).dirichlet(np.full(vocab, 0.25), vocab)
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, vocab, num)]
    for _ in range(block - 1):
        edges = law[rows[-1]].cumsum(1)
        rows.append(np.minimum((edges < rng.random((num, 1))).sum(1), vocab - 1))
    return np.stack(rows, 1).astype(np.uint8)


def fit(learner, settings, key, params, pool):
    """A whole fit: parameters, what every epoch said, what the end says; None: begun afresh."""
    params = learner.init(key, settings, pool.data) if params is None else params
    state = learner.fit_begin(key, settings, params, pool)

    def step(state, i):
        return learner.fit_step(jax.random.fold_in(key, i), settings, state, pool)

    state, curves = jax.lax.scan(step, state, jnp.arange(learner.num_steps))
    params, told = learner.fit_end(state)
    return params, curves, told


@pytest.fixture(scope="module")
def tiny():
    """A learner, a trained model and what its fit said."""
    learner = lm(text_of(markov_blocks(32, 1)), epochs=6, num_scored=16, **TINY)
    pool = pool_of(markov_blocks(128, 0))
    settings = settings_of()

    @jax.jit
    def train(key, pool):
        params = learner.init(key, settings, pool.data)
        return params, *fit(learner, settings, key, params, pool)

    return learner, settings, train, train(jax.random.key(0), pool)


def torch_adamw(params, gradients, rate, decay, steps):
    """torch.optim.AdamW as its documentation states it, in NumPy."""
    p = np.float64(params)
    m = v = np.zeros_like(p)
    for t in range(1, steps + 1):
        g = gradients(p)
        p = p - rate * decay * p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p


def test_adamw_is_torchs():
    """Of the loss sum((p - 3)^2), with a large decay."""
    settings = {"weight_decay": jnp.float32(0.3)}
    optimizer = lm_training.OPTIMIZERS["adamw"](settings)
    params = jnp.array([1.0, -2.0, 5.0])
    state = optimizer.init(params)
    for _ in range(20):
        change, state = optimizer.update(2 * (params - 3), state, params)
        params = params - 0.05 * change
    expected = torch_adamw([1.0, -2.0, 5.0], lambda p: 2 * (p - 3), 0.05, 0.3, 20)
    np.testing.assert_allclose(params, expected, rtol=1e-5)


def test_schedules():
    settings = {"learning_rate": jnp.float32(2.0), "warmup": jnp.float32(0.2)}
    progress = jnp.array([0.0, 0.1, 0.2, 0.6, 1.0])
    values = {
        name: lm_training.learning_rate(name, progress, settings, 5)
        for name in lm_training.SCHEDULES
    }
    np.testing.assert_allclose(values["constant"], 2.0)
    np.testing.assert_allclose(values["linear"], [0, 1, 2, 1, 0], atol=1e-6)
    np.testing.assert_allclose(values["cosine"], 1 + np.cos(np.pi * progress), atol=1e-5)
    by_epoch = 1 + np.cos(np.pi * np.array([0, 0, 0.2, 0.6, 1.0]))
    np.testing.assert_allclose(values["cosine_epochs"], by_epoch, atol=1e-5)


def test_training_learns_and_the_best_epoch_is_kept(tiny):
    learner, settings, _, (begun, params, curves, told) = tiny
    loss, validation = curves["training_loss"], np.asarray(curves["validation_loss"])
    assert loss.shape == (6,) and loss[-1] < loss[0] - 0.4
    assert told["best_epoch"] == validation.argmin() + 1
    assert told["best_validation_loss"] == validation.min()
    test = jnp.asarray(markov_blocks(64, 2))
    context = Context(None, params, test, prepared(learner))
    measure = jax.jit(lambda p: learner.measure(settings, p, context))
    before, after = (measure(p) for p in (begun, params))
    assert after["test_loss"] < before["test_loss"] - 0.3
    np.testing.assert_allclose(after["test_perplexity"], np.exp(after["test_loss"]), rtol=1e-6)
    expected = -(BLOCK - 1) * after["test_loss"]
    np.testing.assert_allclose(after["test_log_likelihood"], expected, rtol=1e-5)
    masses = np.asarray(after["top_mass"])
    assert masses.shape == (4,) and masses.sum() == pytest.approx(1, abs=1e-5)
    assert after["effective_vocabulary"] < before["effective_vocabulary"]
    assert after["sequence_perplexity"].shape == (16,)
    assert after["continuation"].shape == (4, 2 * BLOCK)
    np.testing.assert_array_equal(after["continuation"][:, :BLOCK], test[:4])
    assert 0 < after["longest_copy"] <= BLOCK


def prepared(learner):
    return learner.prepare(jax.random.key(9), None, jnp.asarray(markov_blocks(128, 0)))


def test_an_epoch_that_overfits_is_not_kept():
    """Validation text of another kind: the first epoch is the best one."""
    other = np.random.default_rng(3).integers(0, VOCAB, (32, BLOCK))
    pool, settings = pool_of(markov_blocks(64, 0)), settings_of({"learning_rate": 0.03})
    learner = lm(text_of(other), epochs=4, num_scored=0, **TINY)
    params, curves, told = jax.jit(partial(fit, learner, settings))(jax.random.key(0), None, pool)
    validation = np.asarray(curves["validation_loss"])
    assert validation.argmin() == 0 and told["best_epoch"] == 1
    kept = jax.jit(lambda params: mean_loss(MODEL, params, jnp.asarray(other), None, 64))(params)
    np.testing.assert_allclose(kept, validation[0], rtol=1e-5)


def test_a_fit_that_diverges_is_broken():
    """Losses that are no numbers do not leave what the fit began from."""
    pool, settings = pool_of(markov_blocks(16, 0)), settings_of({"learning_rate": 1e30})
    learner = lm(text_of(markov_blocks(8, 1)), epochs=2, num_scored=0, **TINY)
    params, curves, told = jax.jit(partial(fit, learner, settings))(jax.random.key(0), None, pool)
    assert np.isnan(curves["validation_loss"]).any() and told["best_epoch"] > 0
    assert not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_empty_slots_are_not_trained_on(tiny):
    """Slots of weight 0 change nothing, not even the number of steps."""
    _, _, train, (_, params, curves, _) = tiny
    tokens = markov_blocks(128, 0)
    rubbish = np.concatenate([tokens, np.full((128, BLOCK), 3, np.uint8)])
    weights = np.repeat([1.0, 0.0], 128)
    _, padded, other, _ = train(jax.random.key(0), pool_of(rubbish, weights))
    twice = 2 * weights
    _, heavier, _, _ = train(jax.random.key(0), pool_of(rubbish, twice))
    for a, b in zip(jax.tree.leaves(padded), jax.tree.leaves(heavier), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    # The order of the rows differs, and so the last digits of what is learnt.
    np.testing.assert_allclose(other["training_loss"], curves["training_loss"], atol=0.1)
    assert jax.tree.leaves(padded)[0].shape == jax.tree.leaves(params)[0].shape


def test_a_short_last_batch_counts_by_its_rows():
    """One epoch of one batch of 5 rows in batches of 8 is one step on the mean of 5."""
    learner = lm(text_of(markov_blocks(4, 1)), epochs=1, keep="last", num_scored=0, **TINY)
    tokens, settings, key = markov_blocks(5, 0), settings_of(), jax.random.key(0)
    params = jax.jit(learner.init)(key, settings, None)
    trained, curves, _ = jax.jit(partial(fit, learner, settings))(key, params, pool_of(tokens))
    loss, gradient = jax.jit(
        jax.value_and_grad(lambda p: token_losses(MODEL, p, jnp.asarray(tokens)).mean())
    )(params)
    np.testing.assert_allclose(curves["training_loss"][0], loss, rtol=1e-5)
    for old, new, g in zip(*map(jax.tree.leaves, (params, trained, gradient)), strict=True):
        expected = old - 0.01 * 0.01 * old - 0.01 * g / (jnp.abs(g) + 1e-8)
        is_clear = np.abs(g) > 1e-5
        np.testing.assert_allclose(new[is_clear], expected[is_clear], atol=1e-5)


def test_gradients_are_clipped(tiny):
    *_, (begun, _, _, _) = tiny
    pool = pool_of(markov_blocks(16, 0))
    told = {}
    for most in (0.0, 1e-3):
        settings = settings_of({"clip_norm": most, "weight_decay": 0.0})
        options = lm_training.TrainingOptions(16, 1, "sgd", "constant", None, False)
        state = lm_training.begin(begun, settings.learner, options)
        after, info = jax.jit(lm_training.train_epoch, static_argnums=(1, 5))(
            jax.random.key(0), MODEL, state, pool, settings.learner, options
        )
        moved = jax.tree.map(lambda a, b: a - b, after.params, begun)
        length = np.sqrt(sum(float(jnp.square(a).sum()) for a in jax.tree.leaves(moved)))
        told[most] = length, float(info["gradient_norm"])
    assert told[0.0][0] == pytest.approx(0.01 * told[0.0][1], rel=1e-3)
    assert told[1e-3][0] == pytest.approx(0.01 * 1e-3, rel=1e-2)
    assert told[1e-3][1] == told[0.0][1] > 0.1


def test_dropout_is_random_and_fair(tiny):
    *_, (_, params, _, _) = tiny
    config = DecoderConfig(VOCAB, 2 * BLOCK, 16, 1, 2, 64, dropout=0.3)
    model, tokens = Decoder(config), jnp.asarray(markov_blocks(8, 0))

    @jax.jit
    def loss(key):
        return token_losses(model, params, tokens, key=key).mean()

    losses = np.array([loss(jax.random.key(i)) for i in range(5)])
    assert losses.std() > 0 and loss(jax.random.key(0)) == losses[0]
    assert losses.mean() > jax.jit(lambda: token_losses(model, params, tokens).mean())()


def test_prompts_are_continued(tiny):
    learner, settings, _, (_, params, _, _) = tiny
    prompts = jnp.asarray(markov_blocks(10, 4))
    sample = jax.jit(learner.sample, static_argnums=4)
    drawn = sample(jax.random.key(0), settings, params, prompts, 25)
    assert drawn.shape == (25, BLOCK) and drawn.dtype == jnp.uint8
    one, again = (sample(jax.random.key(1), settings, params, prompts, 25) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, drawn)
    assert learner.prompts == "previous" and learner.hosted


def test_unconditional_text_begins_as_it_was_trained_to():
    """With a token before every block the first one has a law, which the text's firsts follow."""
    tokens = markov_blocks(256, 0)
    tokens[:, 0] = np.where(np.arange(256) % 4 == 0, 1, 2)
    text = text_of(markov_blocks(8, 1), VOCAB + 1, bos=VOCAB, eos=VOCAB, pad=VOCAB)
    learner = lm(text, epochs=8, prompts="none", num_scored=0, keep="last", **TINY)
    settings, key = settings_of(), jax.random.key(0)
    params, *_ = jax.jit(partial(fit, learner, settings))(key, None, pool_of(tokens))
    drawn = np.asarray(jax.jit(learner.sample, static_argnums=4)(
        key, settings, params, jnp.asarray(tokens[:3]), 400))  # fmt: skip
    assert drawn.shape == (400, BLOCK) and not (drawn == VOCAB).any()
    firsts = np.bincount(drawn[:, 0], minlength=VOCAB) / 400
    assert firsts[1] + firsts[2] > 0.9 and firsts[2] > 2 * firsts[1] > 0.1
    with pytest.raises(UserError, match="has none"):
        lm(text_of(markov_blocks(8, 1)), prompts="none")


def test_a_checkpoint_is_where_a_fit_begins():
    tokens = np.random.default_rng(0).integers(3, 120, (16, 8)).astype(np.uint8)
    text = text_of(tokens, 128, eos=2, pad=1)
    name = str(FIXTURES / "tiny-opt")
    learner = lm(text, checkpoint=name, epochs=1, batch_size=8, num_scored=0, method="beam")
    settings, key = settings_of(), jax.random.key(0)
    begun = jax.jit(lambda: learner.init(key, settings, None))()
    loaded = load(name).params
    assert jax.tree.structure(begun) == jax.tree.structure(loaded)
    for a, b in zip(jax.tree.leaves(begun), jax.tree.leaves(loaded), strict=True):
        assert (a == b).all()
    with pytest.raises(UserError, match=r"has 12 tokens and learner\.checkpoint=.* 128"):
        lm(text_of(tokens), checkpoint=name)
    long = text_of(np.zeros((2, 40), np.uint8), 128)
    with pytest.raises(UserError, match="40 new ones are more than the 64 positions"):
        lm(long, checkpoint=name)


@pytest.mark.parametrize(("pad", "padding"), [(2, None), (1, 1)])
def test_a_padding_that_also_ends_a_text_is_a_token_like_others(pad, padding):
    options = {
        "checkpoint": "",
        "family": "opt",
        "num_layers": 1,
        "num_heads": 1,
        "width": 8,
        "ffn_width": 0,
        "dropout": None,
        "prompts": "previous",
    }
    config, _ = decoder_of(text_of(np.zeros((2, 8), np.uint8), 12, eos=2, pad=pad), **options)
    assert config.untrained_row == padding


def test_chains_side_by_side(tiny):
    """`vmap` gives each chain what it gets alone."""
    _, _, train, (_, params, _, _) = tiny
    keys = jnp.stack([jax.random.key(0), jax.random.key(1)])
    pools = [pool_of(markov_blocks(128, seed)) for seed in (0, 5)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *pools)
    _, together, _, _ = jax.jit(jax.vmap(train))(keys, stacked)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a[0], b, atol=5e-3)
        assert not np.allclose(a[0], a[1])


@pytest.mark.slow
def test_collapse_and_what_prevents_it():
    """Perplexity on real text rises under `replace`, and less where the data accumulates."""
    chains, generations, num = 5, 3, 64
    learner = lm(text_of(markov_blocks(32, 1)), epochs=10, num_scored=0, keep="last", **TINY)
    settings, test = settings_of(), jnp.asarray(markov_blocks(200, 2))

    @jax.jit
    def loop(key, real, accumulate):
        slots = jnp.zeros((generations + 1, num, BLOCK), jnp.uint8).at[0].set(real)

        def generation(carry, g):
            slots, params = carry
            key_fit, key_draw = jax.random.split(jax.random.fold_in(key, g))
            sets = jnp.arange(generations + 1)
            there = jnp.where(accumulate, sets <= g, sets == g)
            weights = jnp.repeat(there, num).astype(jnp.float32)
            pool = pool_of(slots.reshape(-1, BLOCK), weights)
            params, *_ = fit(learner, settings, key_fit, params, pool)
            drawn = learner.sample(key_draw, settings, params, slots[g], num)
            slots = slots.at[jnp.minimum(g + 1, generations)].set(drawn)
            return (slots, params), mean_loss(MODEL, params, test, None, 200)

        params = learner.init(key, settings, real)
        return jax.lax.scan(generation, (slots, params), jnp.arange(generations + 1))[1]

    found = {}
    for accumulate in (False, True):
        found[accumulate] = np.array(
            [loop(jax.random.key(c), markov_blocks(num, 10 + c), accumulate) for c in range(chains)]
        )
    rise = {name: losses[:, -1] - losses[:, 0] for name, losses in found.items()}
    error = {name: r.std(ddof=1) / np.sqrt(chains) for name, r in rise.items()}
    assert rise[False].mean() > 4.5 * error[False]
    apart = rise[False] - rise[True]  # paired: the same data, the same keys
    assert apart.mean() > 4.5 * apart.std(ddof=1) / np.sqrt(chains)

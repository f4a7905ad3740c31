"""The n-gram chain against its law, brute-force counts, and the categorical chain."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.data.text import Text
from ouroboros_jax.data.tokenizer import Tokenizer
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners.ngram import ngram
from ouroboros_jax.theory import discrete, wright_fisher

pytestmark = pytest.mark.usefixtures("quick_compilation")


def text_of(vocab, block):
    tokenizer = Tokenizer("words", vocab, None, None, None)
    return Text(tokenizer, np.zeros((1, block), np.uint8))


def settings_of(smoothing=0.0, temperature=1.0):
    none = jnp.int32(0)
    learner, sampler = (
        {"smoothing": jnp.float32(smoothing)},
        {"temperature": jnp.float32(temperature)},
    )
    return Settings(none, none, none, learner, {}, sampler, {})


def pool_of(tokens, weights=None):
    weights = jnp.ones(len(tokens)) if weights is None else jnp.asarray(weights, jnp.float32)
    return Pool(
        jnp.asarray(tokens), weights, jnp.zeros(len(tokens), jnp.int32), weights.sum()[None]
    )


def fit(learner, settings, pool):
    key = jax.random.key(0)
    params = learner.init(key, settings, pool.data)
    return learner.fit_step(key, settings, learner.fit_begin(key, settings, params, pool), pool)[0]


def zipf_blocks(vocab, num, block, seed=0):
    p = 1 / np.arange(1, vocab + 1)
    return np.random.default_rng(seed).choice(vocab, (num, block), p=p / p.sum()).astype(np.uint8)


def loops(learner, settings, tokens, chains, generations):
    """The parameters' unigram counts, [generations + 1, chains, V], of a loop of `replace`."""
    first = fit(learner, settings, pool_of(tokens))

    def step(params, key):
        drawn = learner.sample(key, settings, params, None, len(tokens))
        params = fit(learner, settings, pool_of(drawn))
        return params, params.tables[0][0]

    def chain(key):
        return jax.lax.scan(step, first, jax.random.split(key, generations))[1]

    counts = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(1), chains))
    start = jnp.broadcast_to(first.tables[0][0], (chains, 1, first.tables[0].shape[1]))
    return np.asarray(jnp.concatenate([start, counts], 1)).swapaxes(0, 1)


def test_unigrams_follow_the_exact_chain_of_their_counts():
    """Surviving types at every generation, within published bounds; and counts are a martingale."""
    tokens = zipf_blocks(80, 12, 10)
    counts = loops(ngram(text_of(80, 10)), settings_of(), tokens, 600, 8)
    start = np.bincount(tokens.reshape(-1), minlength=80)
    np.testing.assert_array_equal(counts[0], np.broadcast_to(start, (600, 80)))
    assert (counts.sum(-1) == 120).all()
    law = wright_fisher.survival(np.arange(8), 120, start / 120).sum(1)
    low, high = discrete.surviving_bounds(np.arange(8), 120, start / 120)
    for g in range(1, 9):
        surviving = (counts[g] > 0).sum(-1)
        error = surviving.std(ddof=1) / np.sqrt(600)
        assert 0 < error < 0.2
        assert abs(surviving.mean() - law[g - 1]) < 4.5 * error, g
        assert low[g - 1] - 4.5 * error < surviving.mean() < high[g - 1] + 4.5 * error, g
    for word in (0, 3):
        drift = counts[8][:, word] - start[word]
        assert abs(drift.mean()) < 4.5 * drift.std(ddof=1) / np.sqrt(600)


def test_it_agrees_with_the_categorical_chain():
    """Kolmogorov-Smirnov on the entropy after five generations, at 1e-5."""
    from scipy import stats

    from ouroboros_jax.learners.categorical import categorical

    tokens = zipf_blocks(30, 8, 10)
    counts = loops(ngram(text_of(30, 10)), settings_of(), tokens, 400, 5)[5]
    learner, settings = categorical(num_symbols=30, draw="samples"), settings_of()
    start = np.bincount(tokens.reshape(-1), minlength=30) / 80

    def chain(key):
        def step(p, key):
            drawn = learner.sample(key, settings, type(params)(p), None, 80)
            return learner.fit_step(key, settings, None, pool_of(drawn))[0].probabilities, None

        params = learner.init(key, settings, None)
        return jax.lax.scan(step, jnp.asarray(start, jnp.float32), jax.random.split(key, 5))[0]

    others = np.asarray(jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(2), 400)))
    entropies = [stats.entropy(np.asarray(p, np.float64), axis=1) for p in (counts / 80, others)]
    assert stats.ks_2samp(*entropies).pvalue > 1e-5
    assert entropies[0].std() > 0.02


def brute_force(tokens, order, alpha, vocab):
    """Probability of a token after those before it in its block, by counting."""
    counts = [Counter() for _ in range(order)]
    totals = [Counter() for _ in range(order)]
    for row in tokens.tolist():
        for k in range(order):
            for i in range(len(row) - k):
                counts[k][(*row[i : i + k], row[i + k])] += 1
                totals[k][tuple(row[i : i + k])] += 1

    def probability(before, token):
        for k in range(min(order - 1, len(before)), -1, -1):
            context = tuple(before[len(before) - k :])
            if totals[k][context] + alpha * vocab > 0:
                return (counts[k][(*context, token)] + alpha) / (totals[k][context] + alpha * vocab)
        raise AssertionError

    return probability


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_losses_by_counting(order, alpha):
    rng = np.random.default_rng(order)
    tokens, test = (rng.integers(0, 5, (num, 7)) for num in (4, 30))
    learner, settings = ngram(text_of(5, 7), order=order), settings_of(alpha)
    params = fit(learner, settings, pool_of(tokens))
    probability = brute_force(tokens, order, alpha, 5)
    expected = -np.mean(
        [
            [np.log(max(probability(row[:t], row[t]), 1e-300)) for t in range(7)]
            for row in test.tolist()
        ]
    )
    found = learner.measure(settings, params, Context(None, params, jnp.asarray(test)))
    if expected > 50:  # something never followed its context
        assert np.isposinf(found["test_loss"])
    else:
        assert float(found["test_loss"]) == pytest.approx(expected, rel=1e-5)
        assert float(found["test_log_likelihood"]) == pytest.approx(-7 * expected, rel=1e-5)
    assert alpha == 0 or np.isfinite(found["test_loss"])


@pytest.mark.parametrize(("order", "alpha"), [(2, 0.0), (3, 0.3)])
def test_draws_follow_the_counts(order, alpha):
    """Of every token given those before it, over the most frequent beginnings, at 4.5 SE."""
    tokens = np.random.default_rng(0).integers(0, 3, (6, 5))
    learner, settings = ngram(text_of(3, 4), order=order), settings_of(alpha)
    params = fit(learner, settings, pool_of(tokens))
    num = 40_000
    drawn = np.asarray(learner.sample(jax.random.key(0), settings, params, None, num)).tolist()
    probability = brute_force(tokens, order, alpha, 3)
    tested = 0
    for t in range(4):
        begun = Counter(tuple(row[:t]) for row in drawn)
        for before, times in begun.most_common(3):
            after = Counter(row[t] for row in drawn if tuple(row[:t]) == before)
            for token in range(3):
                p = probability(before, token)
                error = np.sqrt(p * (1 - p) / times)
                assert abs(after[token] / times - p) <= 4.5 * error + 1e-9
                tested += 0 < p < 1
    assert tested > 15


def test_weights_and_empty_slots_count_as_told():
    tokens = zipf_blocks(10, 6, 4)
    learner, settings = ngram(text_of(10, 4), order=2), settings_of()
    twice = fit(learner, settings, pool_of(np.concatenate([tokens, tokens[:2]])))
    weighted = fit(learner, settings, pool_of(tokens, [2, 2, 1, 1, 1, 1]))
    other = np.concatenate([tokens, np.full((3, 4), 9, np.uint8)])
    empty = fit(learner, settings, pool_of(other, [2, 2, 1, 1, 1, 1, 0, 0, 0]))
    for table, *others in zip(*(p.tables for p in (twice, weighted, empty)), strict=True):
        for found in others:
            np.testing.assert_array_equal(found, table)


def test_temperature_sharpens():
    tokens = np.repeat([[0, 0, 0, 1]], 5, 0)
    learner = ngram(text_of(2, 4))
    params = fit(learner, settings_of(), pool_of(tokens))
    for temperature, p in ((1.0, 0.25), (0.5, 0.1)):
        settings = settings_of(temperature=temperature)
        drawn = np.asarray(learner.sample(jax.random.key(0), settings, params, None, 5000))
        assert abs(drawn.mean() - p) < 4.5 * np.sqrt(p * (1 - p) / drawn.size)


def test_tables_that_are_too_large():
    with pytest.raises(UserError, match=r"order=2.*20000 has 400,000,000 counts"):
        ngram(text_of(20_000, 8), order=2)


def test_the_law_of_a_run(tmp_path):
    """It starts from the counts of the training text, and is silent where its premises fail."""
    from ouroboros_jax.config import flatten, new_config
    from ouroboros_jax.programs.factories import make_real
    from ouroboros_jax.theory.laws import laws

    words = np.random.default_rng(0).zipf(1.5, 4000) % 200
    path = tmp_path / "words.txt"
    path.write_text("".join(f"w{word}\n" for word in words))

    def config(**others):
        settings = {"data.tokenizer": "words", "data.block": 8, "data.num_blocks": 20}
        given = {"num_samples": 20, "generations": 3} | others
        return flatten(
            new_config(learner="ngram", data=str(path), **settings, **{"regime": "replace"} | given)
        )

    found = laws(config(), np.arange(4))["surviving_share"].expected
    counts = np.bincount(make_real(config()).table.reshape(-1))
    counts = counts[counts > 0]
    alive = wright_fisher.survival(np.arange(3), 160, counts / 160)
    np.testing.assert_allclose(found, [1, *alive.mean(1)], rtol=1e-12)
    assert 0.3 < found[-1] < found[1] < 0.95
    for others in (
        {"num_samples": 10},
        {"learner.order": 2},
        {"learner.smoothing": 0.1},
        {"sampler.temperature": 0.9},
        {"regime": "accumulate"},
    ):
        assert laws(config(**others), np.arange(4)) == {}

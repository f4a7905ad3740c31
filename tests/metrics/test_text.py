"""Diversity of text against brute force in plain Python."""

import math
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.metrics import text

pytestmark = pytest.mark.usefixtures("quick_compilation")


def grams(row, n):
    return [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]


@pytest.fixture(params=[3, 50])
def tokens(request):
    return np.random.default_rng(request.param).integers(0, request.param, (6, 17))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_distinct(tokens, n):
    every = [gram for row in tokens.tolist() for gram in grams(row, n)]
    assert float(text.distinct(jnp.asarray(tokens), n)) == pytest.approx(
        len(set(every)) / len(every)
    )
    ids = np.asarray(text.gram_ids(jnp.asarray(tokens), n)).reshape(-1)
    assert len({*zip(ids.tolist(), every, strict=True)}) == len(set(every)) == len(set(ids))


def test_distinct_of_one_token():
    assert float(text.distinct(jnp.zeros((5, 8), int), 2)) == pytest.approx(1 / 35)


def test_entropy_and_counts():
    counts = text.counts_of(jnp.array([[0, 1, 1], [3, 3, 3]]), 5)
    np.testing.assert_array_equal(counts, [1, 2, 0, 3, 0])
    expected = -sum(p * math.log(p) for p in (1 / 6, 2 / 6, 3 / 6))
    assert float(text.entropy_of(counts)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_zipf_exponent_of_a_power_law(exponent):
    counts = np.round(1e6 * np.arange(1, 200.0) ** -exponent)
    shuffled = np.random.default_rng(0).permutation(np.append(counts, [0, 0, 0]))
    found = float(text.zipf_exponent(jnp.asarray(shuffled)))
    assert found == pytest.approx(exponent, abs=2e-3)
    assert math.isnan(float(text.zipf_exponent(jnp.array([5, 0, 0]))))


@pytest.mark.parametrize("n", [1, 4])
def test_repetition(tokens, n):
    rates = []
    for row in tokens.tolist():
        seen, again = set(), 0
        for gram in grams(row, n):
            again += gram in seen
            seen.add(gram)
        rates.append(again / len(grams(row, n)))
    assert float(text.repetition(jnp.asarray(tokens), n)) == pytest.approx(np.mean(rates))


def test_self_bleu(tokens):
    scores = []
    rows = tokens.tolist()
    for i, row in enumerate(rows):
        logs = []
        for n in range(1, 5):
            own = Counter(grams(row, n))
            others = [Counter(grams(other, n)) for j, other in enumerate(rows) if j != i]
            clipped = sum(min(c, max(o[g] for o in others)) for g, c in own.items())
            precision = clipped / sum(own.values())
            logs.append(math.log(precision) if precision else -math.inf)
        scores.append(math.exp(sum(logs) / 4))
    assert float(text.self_bleu(jnp.asarray(tokens))) == pytest.approx(np.mean(scores), abs=1e-6)


def test_self_bleu_at_its_ends():
    assert float(text.self_bleu(jnp.tile(jnp.arange(9), (4, 1)))) == pytest.approx(1)
    assert float(text.self_bleu(jnp.arange(36).reshape(4, 9))) == 0


def test_longest_copies(tokens):
    corpus = np.random.default_rng(9).integers(0, tokens.max() + 1, (5, 30))
    corpus[2, 4:13] = tokens[1, 3:12]
    found = np.asarray(text.longest_copies(jnp.asarray(tokens), jnp.asarray(corpus)))
    for row, length in zip(tokens.tolist(), found, strict=True):
        assert length == max(
            (
                n
                for n in range(1, 18)
                if {*grams(row, n)} & {g for r in corpus.tolist() for g in grams(r, n)}
            ),
            default=0,
        )
    assert found[1] >= 9
    nothing = text.longest_copies(jnp.asarray(tokens), jnp.full((2, 5), 1000))
    assert not np.asarray(nothing).any()


def test_next_token_distribution():
    p = np.array([[0.5, 0.25, 0.125, 0.125], [0.25] * 4])
    logits = jnp.log(jnp.asarray(p))
    np.testing.assert_allclose(
        text.top_masses(logits, (1, 2, 100)), [0.375, 0.25, 0.375, 0], atol=1e-6
    )
    expected = (math.exp(-sum(q * math.log(q) for q in p[0])) + 4) / 2
    assert float(text.effective_vocabulary(logits)) == pytest.approx(expected, rel=1e-5)


def test_shared_types():
    generated, real = jnp.array([3, 0, 1, 0, 2]), jnp.array([1, 5, 0, 0, 2])
    assert float(text.shared_types(generated, real)) == pytest.approx(2 / 3)

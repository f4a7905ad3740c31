"""Laws on symbols: their probabilities, their draws, the words of a text, and what is refused."""

import gzip
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Settings
from ouroboros_jax.config import load_config
from ouroboros_jax.data import symbols, vocabulary
from ouroboros_jax.errors import UserError


def settings(**data):
    zero = jnp.int32(0)
    return Settings(zero, zero, zero, {}, {}, {}, {k: jnp.float32(v) for k, v in data.items()})


def truth_of(real, **data):
    return jax.tree.map(np.asarray, real.truth(settings(**data)))


def test_zipf():
    p = vocabulary.zipf(4, 2.0, 1.0)
    np.testing.assert_allclose(p, np.array([1 / 4, 1 / 9, 1 / 16, 1 / 25]) / p_sum())
    real = symbols.zipf(num_symbols=4, a=2.0, b=1.0)
    np.testing.assert_allclose(truth_of(real).probabilities, p, rtol=1e-6)
    assert (real.num_symbols, real.dtype, real.shape, real.table) == (4, "int32", (), None)
    assert real.sha256 != symbols.zipf(num_symbols=4, a=2.0, b=1.1).sha256


def p_sum():
    return 1 / 4 + 1 / 9 + 1 / 16 + 1 / 25


def test_zipf_as_it_was_observed():
    """Only the symbols that were drawn are left, and their frequencies are the law."""
    p = vocabulary.zipf(1000, 1.0, 2.7, observed=1000, layout_seed=3)
    assert 300 < len(p) < 450
    np.testing.assert_allclose(p * 1000, np.round(p * 1000))
    assert p.sum() == pytest.approx(1) and (np.diff(p) <= 0).all()
    assert not np.array_equal(p, vocabulary.zipf(1000, 1.0, 2.7, observed=1000, layout_seed=4))


def test_draws_follow_the_truth():
    for real, data in (
        (symbols.zipf(num_symbols=5), {}),
        (symbols.uniform_symbols(num_symbols=3), {}),
        (symbols.symbols(probabilities=(0.7, 0.0, 0.3)), {}),
        (symbols.bernoulli(), {"p": 0.2}),
    ):
        p, num = truth_of(real, **data).probabilities, 50_000
        drawn = real.draw(jax.random.key(0), settings(**data), None, num)
        counts = np.bincount(drawn, minlength=len(p))
        z = (counts - num * p) / np.sqrt(np.maximum(num * p * (1 - p), 1e-9))
        assert np.abs(z).max() < 4.5
        few = real.draw(jax.random.key(0), settings(**data), None, 7)
        np.testing.assert_array_equal(drawn[:7], few)


def test_counts_follow_their_rate():
    real, num = symbols.counts(), 50_000
    drawn = np.asarray(real.draw(jax.random.key(1), settings(rate=2.5), None, num))
    assert abs(drawn.mean() - 2.5) < 4.5 * np.sqrt(2.5 / num)
    assert abs(drawn.var() / 2.5 - 1) < 4.5 * np.sqrt((2 + 1 / 2.5) / num)
    few = real.draw(jax.random.key(1), settings(rate=2.5), None, 9)
    np.testing.assert_array_equal(drawn[:9], few)


def test_the_rarest_symbols():
    p = np.array([0.5, 0.25, 0.1, 0.06, 0.0, 0.05, 0.04])
    np.testing.assert_array_equal(np.flatnonzero(vocabulary.rarest(p)), [5, 6])
    np.testing.assert_array_equal(np.flatnonzero(vocabulary.rarest(p, 0.01)), [6])
    assert vocabulary.rarest(np.full(20, 0.05)).sum() == 2
    for p in (0.0, 0.05, 0.3, 0.5, 0.8, 1.0):
        found = truth_of(symbols.bernoulli(), p=p)
        np.testing.assert_array_equal(found.is_rare, vocabulary.rarest(vocabulary.bernoulli(p)))


TEXT = "The cat, the dog;\n\n = A_cat = \nthe <unk> MICE mice\n"


@pytest.mark.parametrize("packed", [False, True])
def test_words_of_a_text(packed, tmp_path):
    path = tmp_path / ("some.txt.gz" if packed else "some.txt")
    with (gzip.open if packed else open)(path, "wt") as stream:
        stream.write(TEXT)
    found = vocabulary.words_of(str(path), None, 9)
    assert dict(zip(found.words, found.counts.tolist(), strict=True)) == {
        **{"the": 3, "cat": 2, "mice": 2, "dog": 1, "a": 1}
    }
    assert found.note == "" and found.origin == str(path)
    short = vocabulary.words_of(path.name, str(tmp_path), 4)
    assert dict(zip(short.words, short.counts.tolist(), strict=True)) == {
        **{"the": 2, "cat": 1, "dog": 1}
    }
    more = symbols.unigram(path=str(path), num_words=100)
    assert "9 words, fewer than data.num_words=100" in more.note
    np.testing.assert_allclose(truth_of(more).probabilities, np.array([3, 2, 2, 1, 1]) / 9)


def test_the_text_that_comes_with_python_is_a_last_resort(tmp_path):
    found = symbols.unigram(dir=str(tmp_path), num_words=5000)
    assert found.origin == "pydoc_data.topics" and "no WikiText-2 was found" in found.note
    assert found.num_symbols > 500
    (tmp_path / "wiki.train.raw").write_text(TEXT)
    raw = symbols.unigram(dir=str(tmp_path), num_words=9)
    assert raw.origin.endswith("wiki.train.raw") and raw.note == ""
    (tmp_path / "wiki.train.tokens").write_text(TEXT)
    again = symbols.unigram(dir=str(tmp_path) + os.sep, num_words=9)
    assert again.origin.endswith("wiki.train.tokens") and again.note == ""


def test_wikitext():
    folder = os.environ.get("OUROBOROS_DATA")
    if not folder:
        pytest.skip("OUROBOROS_DATA is not set")
    found = vocabulary.words_of(None, folder, 100_000)
    assert found.origin.endswith("wikitext-2/wiki.train.tokens.gz")
    assert found.words[0] == "the" and found.counts.sum() == 100_000
    assert 8_000 < len(found.words) < 15_000


def test_texts_that_cannot_be_read(tmp_path):
    (tmp_path / "wiki.txt").write_bytes(b"\xff\xfe\x00caf\xe9 word")
    packed = gzip.compress(TEXT.encode())
    (tmp_path / "cut.txt.gz").write_bytes(packed[:-9])
    (tmp_path / "flip.txt.gz").write_bytes(packed[:20] + bytes([packed[20] ^ 0xFF]) + packed[21:])
    (tmp_path / "one.txt").write_text("word word word")
    for name, words in {
        "wikl.txt": "is not there: expected a text file, plain or .gz; did you mean 'wiki.txt'?",
        "wiki.txt": "is not text in UTF-8",
        "cut.txt.gz": "cannot be read",
        "flip.txt.gz": "cannot be read",
        "one.txt": "1 different words: expected at least 2",
    }.items():
        with pytest.raises(UserError, match=r"^[^\n]*$") as error:
            vocabulary.words_of(name, str(tmp_path), 50)
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.num_symbols": 1}, "data.num_symbols=1 is out of range"),
        ({"data.b": -1.0}, "data.b=-1.0 is out of range: expected a number above -1"),
        ({"data.a": -0.5}, "data.a=-0.5 is out of range"),
        ({"data.name": "bernoulli", "data.p": 1.5}, "expected a number in [0, 1]"),
        ({"data.name": "symbols", "data.probabilities": (0.5, 0.6)}, "sums to 1.1"),
        ({"data.name": "uniform_symbols", "data.num_symbols": 0}, "out of range"),
    ],
)
def test_bad_settings(changes, words):
    with pytest.raises(UserError) as error:
        load_config("categorical", changes)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_probabilities_are_checked():
    for values, words in {
        (0.5, float("nan")): "at least 0",
        (0.5, -0.5): "holds -0.5",
        (0.0, 0.0): "no support",
        (1.0,): "1 symbol: expected at least 2",
    }.items():
        with pytest.raises(UserError, match=words):
            vocabulary.checked(values, "the law")


def test_settings_import_no_jax():
    import subprocess

    code = "import sys, ouroboros_jax.settings.data.symbols; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

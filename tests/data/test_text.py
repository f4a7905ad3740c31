"""Corpora, tokenizers and blocks: what comes out is what went in, and what is missing is said."""

import gzip
import itertools
import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import transformers

from ouroboros_jax.data import corpora, text
from ouroboros_jax.data.lines import lines_of
from ouroboros_jax.data.tokenizer import make_tokenizer
from ouroboros_jax.errors import UserError
from ouroboros_jax.registry import options

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"
DATA = os.environ.get("OUROBOROS_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="OUROBOROS_DATA is not set")


def write_wiki(folder, kind="raw", ending="", splits=corpora.SPLITS):
    folder.mkdir(parents=True, exist_ok=True)
    for i, split in enumerate(splits):
        lines = [f" = Title {split} = \n", " \n"] + [f"word{i} and word{j} \n" for j in range(50)]
        raw = "".join(lines).encode()
        path = folder / f"wiki.{split}.{kind}{ending}"
        path.write_bytes(gzip.compress(raw) if ending else raw)
    return folder


@pytest.fixture
def offline(monkeypatch):
    def refuse(repository, name):
        raise OSError(f"no network for {repository}/{name}")

    monkeypatch.setattr("ouroboros_jax.models.hub.fetch_dataset_file", refuse)
    text._read.cache_clear()
    text._tokenised.cache_clear()


def test_blocks_are_the_lines_put_together_and_cut():
    lines = [[1, 2, 3], [], [4], [5, 6, 7, 8], [9, 10]]
    found = text.blocks(lines, 4, np.uint8)
    np.testing.assert_array_equal(found, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert found.dtype == np.uint8
    assert text.blocks([[1]], 4, np.uint8).shape == (0, 4)


@pytest.mark.parametrize(
    ("kind", "ending", "inner"),
    [("raw", "", ""), ("raw", ".gz", "wikitext-2-raw"), ("tokens", ".gz", "wikitext-2")],
)
def test_wikitext_from_files(tmp_path, offline, kind, ending, inner):
    write_wiki(tmp_path / inner, kind, ending)
    corpus = corpora.wikitext2(tmp_path)
    assert corpus.train[:3] == (" = Title train = \n", "", "word0 and word0 \n")
    assert corpus.valid[0] == " = Title valid = \n" and corpus.test[0] == " = Title test = \n"
    assert kind in corpus.origin and str(tmp_path) in corpus.origin


def test_raw_before_tokens_and_all_three_splits(tmp_path, offline):
    write_wiki(tmp_path, "tokens")
    write_wiki(tmp_path, "raw", splits=("valid", "test"))
    assert "(tokens)" in corpora.wikitext2(tmp_path).origin
    write_wiki(tmp_path, "raw")
    assert "(raw)" in corpora.wikitext2(tmp_path).origin


def test_what_is_not_at_hand_is_said_or_replaced_aloud(tmp_path, offline):
    with pytest.raises(UserError, match=r"'wikitext2' is not at hand.*no network.*data.dir.*pydoc"):
        text.wikitext2(dir=str(tmp_path))
    real = text.wikitext2(dir=str(tmp_path), fallback="pydoc")
    assert real.name == "pydoc in place of wikitext2"
    assert "no network" in real.origin and "Python" in real.origin
    assert "wikitext2 IS NOT AT HAND" in real.note
    np.testing.assert_array_equal(real.table, text.pydoc().table)


@needs_data
def test_the_real_wikitext(offline):
    corpus = corpora.wikitext2(Path(DATA))
    assert tuple(map(len, corpus[:3])) == (36718, 3760, 4358)
    words = [sum(len(line.split()) for line in part) for part in corpus[:3]]
    assert words == [2051910, 213886, 241211]


def test_the_reference_text_parts_whole_topics():
    real = text.pydoc()
    tokenizer = real.text.tokenizer
    assert real.table.dtype == np.uint16 and real.shape == (64,)
    assert tokenizer.size == 2048 and real.table.max() < 2048
    sizes = [len(part) for part in (real.table, real.text.validation, real.test)]
    assert sizes[0] > 1000 and sizes[1] > 100 and sizes[2] > 100
    corpus = text._read(("pydoc",))
    whole = tokenizer.encode(corpus.train[:200])
    assert tokenizer.decode([t for line in whole for t in line]) == "".join(corpus.train[:200])
    assert text.pydoc() is real  # read and trained once a process


def grouped(lines, block):
    """What `datasets.map(group_texts, batched=True, num_proc=4)` gives, as the released code."""
    found = []
    for part in range(4):
        div, mod = divmod(len(lines), 4)
        start = div * part + min(part, mod)
        shard = lines[start : start + div + (part < mod)]
        for first in range(0, len(shard), 1000):
            flat = list(itertools.chain(*shard[first : first + 1000]))
            found += [flat[i : i + block] for i in range(0, len(flat) // block * block, block)]
    return np.array(found)


@pytest.mark.parametrize("num", [4, 1003, 9001])
def test_wikitext_is_grouped_as_published(num):
    lines = [list(range(i, i + i % 5)) for i in range(num)]
    found = text.published_blocks(lines, 3, np.uint16)
    np.testing.assert_array_equal(found, grouped(lines, 3))
    assert text.published_blocks([], 3, np.uint16).shape == (0, 3)


def test_a_text_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "mine.txt"
    write = "".join(f"a line of some words, number {i}\n" for i in range(400))
    path.write_text(write)
    first = text.text_file(str(path), tokenizer="bytes")
    assert text.text_file(str(path), tokenizer="bytes") is first
    path.write_text(write.upper())
    assert text.text_file(str(path), tokenizer="bytes").sha256 != first.sha256


def test_held_out_text_has_a_block(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("".join(f"the cat sat on a mat {i}\n" for i in range(60)))
    with pytest.raises(UserError, match=r"no block of data.block=400 tokens to validate on"):
        text.text_file(str(path), tokenizer="bytes", block=400)


def test_training_a_bpe_again_gives_the_same_tokens():
    lines = text._read(("pydoc",)).train[:500]
    one, two = (make_tokenizer("bpe", 400, lines) for _ in range(2))
    assert one.encode(lines) == two.encode(lines)


def test_a_bpe_has_as_many_tokens_as_its_text_gives(tmp_path):
    """The model has no rows for tokens that do not exist, and the run says so."""
    (tmp_path / "small.txt").write_text("aaa bbb aaa ccc\n" * 100)
    real = text.text_file(str(tmp_path / "small.txt"), vocab_size=5000, block=4)
    size = real.text.tokenizer.size
    assert 257 < size < 300
    real.text.tokenizer.save(tmp_path)
    stored = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(stored) == size
    assert real.note == f"data.vocab_size=5000 is more than the text gives: a bpe of {size} tokens"
    assert text.text_file(str(tmp_path / "small.txt"), vocab_size=size, block=4).note == ""


@pytest.mark.parametrize("kind", ["bpe", "bytes"])
def test_every_text_comes_back(kind, tmp_path):
    tokenizer = make_tokenizer(kind, 300, ["aaa bbb aaa\n"] * 20)
    line = "naïve ﬁ \t\u2028 漢字 \x00 <|endoftext|>\n"
    ids = tokenizer.encode([line[:-14], line])
    assert tokenizer.decode(ids[0]) == line[:-14]
    assert ids[1].count(tokenizer.eos) == 1 and max(ids[1]) < tokenizer.size
    assert tokenizer.encode([""]) == [[]]
    tokenizer.save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["tokenizer.json", "tokenizer_config.json"]


def test_words_are_those_of_the_text():
    tokenizer = make_tokenizer("words", 0, ["The cat, the HAT.\n", "a cat\n"])
    assert tokenizer.size == 4 and tokenizer.dtype == np.uint8
    assert tokenizer.encode(["a THE dog", ""]) == [[2, 1], []]
    assert tokenizer.decode(tokenizer.encode(["The cat-hat"])[0]) == "the cat hat"
    assert make_tokenizer("words", 2, ["b a a b c"]).size == 2
    assert tokenizer.eos is None and tokenizer.bos is None
    with pytest.raises(UserError, match="has no words"):
        make_tokenizer("words", 0, ["...", ""])


def test_words_that_transformers_reads(tmp_path):
    """The same tokens, nothing for unknown words or for their letters."""
    lines = ["The cat, the HAT.\n", "a cat_1 naïve ΟΔΟΣ 漢字\n", "\n", "²½ ▁ a\n"]
    tokenizer = make_tokenizer("words", 0, lines)
    lines += ["the bat at\thats_ A.a", "...", "a-THE--cat"]
    tokenizer.save(tmp_path)
    stored = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(stored) == tokenizer.size
    assert stored(lines, add_special_tokens=False)["input_ids"] == tokenizer.encode(lines)
    assert tokenizer.encode(["the bat at\thats_ A.a"]) == [tokenizer.encode(["the a a"])[0]]
    every = list(range(tokenizer.size))
    assert stored.decode(every) == tokenizer.decode(every)
    assert tokenizer.encode([tokenizer.decode(every)]) == [every]


def test_files_and_folders(tmp_path):
    (tmp_path / "inner").mkdir()
    for i in range(12):
        (tmp_path / "inner" / f"{i}.txt").write_text(f"text {i} of many words\n" * 30)
    (tmp_path / "inner" / "image.png").write_bytes(b"\xff\xfe")
    real = text.text(dir=str(tmp_path), tokenizer="bytes", block=16)
    assert len(real.table) > len(real.test) > 0 and real.table.shape[1] == 16
    single = tmp_path / "one.txt"
    single.write_text("".join(f"line {i}\n" for i in range(500)))
    real = text.text_file(str(single), tokenizer="words", block=4, num_test=2)
    assert real.test.shape == (2, 4)
    corpus = corpora.text_file(str(single))
    assert sorted(corpus.train + corpus.valid + corpus.test) == sorted(
        single.read_text().splitlines(True)
    )


@pytest.mark.parametrize("num_lines", [1, 2, 5])
def test_long_lines_are_cut_at_spaces(tmp_path, num_lines):
    """A text of few lines has parts of the same shares as one of many."""
    words = [f"word{i}" for i in range(3000)]
    ends = np.linspace(0, 3000, num_lines + 1).astype(int)
    lines = [" ".join(words[a:b]) + "\n" for a, b in itertools.pairwise(ends)]
    (tmp_path / "few.txt").write_text("".join(lines))
    corpus = corpora.text_file(str(tmp_path / "few.txt"))
    parts = [[word for line in part for word in line.split()] for part in corpus[:3]]
    assert sorted(itertools.chain(*parts)) == sorted(words)
    np.testing.assert_allclose([len(part) for part in parts], [2400, 300, 300], atol=60)
    bpe = make_tokenizer("bpe", 300, corpus.train)
    cut = [line for line in corpora._pieces((lines[0],)) for line in line]
    assert "".join(cut) == lines[0]
    assert list(itertools.chain(*bpe.encode(cut))) == bpe.encode(lines[:1])[0]


def test_text_without_spaces_and_folders_of_two(tmp_path):
    (tmp_path / "a.txt").write_text("漢字" * 2000)
    corpus = corpora.text_file(str(tmp_path / "a.txt"))
    assert sum(map(len, corpus.train)) == 3200 and sum(map(len, corpus.test)) == 400
    (tmp_path / "b.txt").write_text("more words\n" * 200)
    assert len(corpora.text_file(str(tmp_path)).train) > 100
    (tmp_path / "b.txt").unlink()
    (tmp_path / "a.txt").write_text("too short\n")
    with pytest.raises(UserError, match=r"has 1 piece of text, expected at least 3: documents, "):
        corpora.text_file(str(tmp_path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_text(tmp_path, pack):
    path = tmp_path / ("a.txt.gz" if pack is gzip.compress else "a.txt")
    path.write_bytes(pack("one\ntwo\n".encode("utf-8-sig")))
    assert lines_of(path) == ("one\n", "two\n")


def test_texts_that_are_none(tmp_path):
    cases = {"empty.txt": b"", "blank.txt": b" \n\n", "binary.txt": b"a\xff\xfe"}
    for name, raw in cases.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(UserError, match=r"is empty|not text in UTF-8: byte 1"):
            text.text_file(str(tmp_path / name))
    (tmp_path / "short.txt").write_text("a\nb\nc\n")
    with pytest.raises(UserError, match=r"has 0 blocks of data\.block=64"):
        text.text_file(str(tmp_path / "short.txt"), tokenizer="bytes")
    with pytest.raises(UserError, match=r"is not there.*did you mean .*short\.txt"):
        text.text_file(str(tmp_path / "shart.txt"))
    with pytest.raises(UserError, match="expected at least 257"):
        text.pydoc(vocab_size=100)
    with pytest.raises(UserError, match=r"data\.num_test=1000000 is more than"):
        text.pydoc(num_test=1_000_000)


def bare_checkpoint(folder, family, with_vocabulary=True):
    """A folder with the config of a model and, of the published tokenizer, the bare vocabulary."""
    folder.mkdir()
    fields = json.loads((FIXTURES / f"tiny-{family}" / "config.json").read_text())
    fields["vocab_size"] = 50272 if family == "opt" else 50257
    if family == "gpt2":
        fields |= {"bos_token_id": 50256, "eos_token_id": 50256}
    (folder / "config.json").write_text(json.dumps(fields))
    for name in ("vocab.json", "merges.txt") if with_vocabulary else ():
        shutil.copy(Path(DATA) / f"{family}-tokenizer" / name, folder)
    return str(folder)


@needs_data
@pytest.mark.parametrize(("family", "begins"), [("gpt2", []), ("opt", [2])])
def test_the_tokenizer_of_a_checkpoint(tmp_path, family, begins):
    tokenizer = make_tokenizer(bare_checkpoint(tmp_path / "model", family), 0, ())
    assert tokenizer.encode(["hello world", ""])[1] == begins
    ids = tokenizer.encode(["hello world"])[0]
    assert ids[: len(begins)] == begins and len(ids) == len(begins) + 2
    assert tokenizer.decode(ids[len(begins) :]) == "hello world"
    expected = {"gpt2": (50256, 50256, 50256), "opt": (2, 2, 1)}[family]
    assert (tokenizer.bos, tokenizer.eos, tokenizer.pad) == expected
    tokenizer.save(tmp_path)
    stored = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert stored("hello world")["input_ids"] == ids
    if family == "opt":
        assert (stored.bos_token_id, stored.eos_token_id, stored.pad_token_id) == expected


def test_a_checkpoint_without_a_tokenizer(tmp_path):
    """transformers then makes one of a handful of special tokens, without a word."""
    for name in ("tiny-gpt2", "tiny-opt"):
        with pytest.raises(UserError, match=r"lacks tokenizer\.json|no tokenizer that can be read"):
            make_tokenizer(str(FIXTURES / name), 0, ())


def test_auto_is_the_learners_checkpoint():
    point = {f"data.{key}": None for key in ("dir", "num_test", "num_samples")}
    point |= {"data.name": "pydoc", "data.tokenizer": "auto", "data.vocab_size": 0}
    point |= {"data.block": 64, "data.max_words": 0, "data.num_blocks": 0}
    assert options("data", point)["tokenizer"] == "auto"
    assert options("data", point | {"learner.checkpoint": ""})["tokenizer"] == "auto"
    assert options("data", point | {"learner.checkpoint": "gpt2"})["tokenizer"] == "gpt2"


def test_real_blocks_are_drawn_as_they_are():
    real = text.pydoc(num_test=5)
    drawn = np.asarray(real.draw(jax.random.key(0), None, real.table, 100))
    assert drawn.dtype == np.uint16 and drawn.shape == (100, 64)
    rows = {row.tobytes() for row in real.table}
    assert all(row.tobytes() in rows for row in drawn)


def test_the_first_words():
    lines = ("a b c\n", "", "d e f g\n")
    assert text.first_words(lines, 5) == ("a b c\n", "", "d e\n")
    assert text.first_words(lines, 3) == ("a b c\n",)
    assert text.first_words(lines, 100) == lines

"""What stored language models are scored on: blocks of tokens as they are, a whole text."""

import numpy as np
import pytest

from ouroboros_jax.data.scored import blocks_to_score
from ouroboros_jax.data.tokenizer import make_tokenizer
from ouroboros_jax.errors import UserError

BYTES = make_tokenizer("bytes", 0, ())


def scored(path, folder=None, block=4):
    return blocks_to_score(str(path), folder, BYTES, block)


def test_tokens_are_scored_as_they_are(tmp_path):
    tokens = np.array([[1, 2, 256], [3, 4, 5]], np.uint16)
    np.savez(tmp_path / "gen.npz", data=tokens)
    np.save(tmp_path / "gen.npy", tokens.astype(np.int64))
    for name in ("gen.npz", "gen.npy"):
        found = scored(tmp_path / name)
        np.testing.assert_array_equal(found, tokens)
        assert found.dtype == BYTES.dtype
    np.testing.assert_array_equal(scored("gen.npy", str(tmp_path)), tokens)  # in data.dir


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        (np.zeros((2, 4)), r"holds numbers of type float64, expected whole numbers: tokens"),
        (np.zeros(4, int), r"holds an array of shape \[4\], expected tokens \[N, T\]"),
        (np.zeros((0, 4), int), r"shape \[0, 4\], expected tokens \[N, T\]"),
        (
            np.array([[0, 257]]),
            "holds tokens from 0 to 257, expected those of the run's .* 0 to 256",
        ),
        (np.array([[-1, 3]]), "holds tokens from -1 to 3"),
        (np.zeros((2, 5), int), "holds blocks of 5 tokens, expected 2 to the 4 of the run's"),
        (np.zeros((2, 1), int), "holds blocks of 1 tokens, expected 2 to the 4 of the run's"),
    ],
)
def test_other_arrays_are_refused(tmp_path, tokens, sentence):
    np.savez(tmp_path / "gen.npz", data=tokens)
    with pytest.raises(UserError, match=sentence):
        scored(tmp_path / "gen.npz")


def test_files_that_hold_no_single_array(tmp_path):
    np.savez(tmp_path / "two.npz", a=[[1, 2]], b=[[1, 2]])
    np.save(tmp_path / "pickle.npy", np.array([None]))
    (tmp_path / "cut.npz").write_bytes(b"PK")
    for name, sentence in (
        ("two.npz", "holds a and b, expected one array of tokens"),
        ("pickle.npy", "pickled Python objects"),
        ("cut.npz", "cannot be read as an .npz file"),
        ("none.npz", r"none\.npz is not there; did you mean .*"),
        ("none.txt", r"none\.txt is not there"),
    ):
        with pytest.raises(UserError, match=sentence):
            scored(tmp_path / name)


def test_all_of_a_text_is_scored(tmp_path):
    lines = [f"line {i}\n" for i in range(50)]
    (tmp_path / "a.txt").write_text("".join(lines))
    found = scored(tmp_path / "a.txt")
    whole = "".join(lines)
    assert "".join(map(BYTES.decode, found)) == whole[: len(whole) // 4 * 4]
    (tmp_path / "b.txt").write_text("abc")
    with pytest.raises(UserError, match="fewer than the 4 tokens of one block"):
        scored(tmp_path / "b.txt")


def decoded(blocks):
    return "".join(map(BYTES.decode, blocks))


@pytest.mark.parametrize(("inner", "kind"), [("", "raw"), ("wikitext-2", "tokens")])
def test_of_a_folder_of_wikitext_the_test_split(tmp_path, inner, kind):
    (tmp_path / inner).mkdir(exist_ok=True)
    for split in ("train", "test"):
        (tmp_path / inner / f"wiki.{split}.{kind}").write_text(f" {split}.\n \nmore.")
    assert decoded(scored(tmp_path)) == " tesmore"  # in parts, as a run's own


def test_of_another_folder_all_text(tmp_path):
    (tmp_path / "b.txt").write_text("second..")
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.md").write_text("first...")
    assert decoded(scored(tmp_path)) == "first...second.."
    with pytest.raises(UserError, match="inner has no text"):
        scored("inner", str(tmp_path))


def test_names_of_data_sets_are_left_to_them(tmp_path, monkeypatch):
    assert scored("wikitext2") is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    assert scored("text") is None

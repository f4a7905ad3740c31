"""Laws on V symbols as plain probabilities: Bernoulli, uniform, Zipf-Mandelbrot, words of a text.

It uses only NumPy, so that theory and real data get the same numbers from the same settings.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ouroboros_jax.data.lines import lines_of, reference_documents
from ouroboros_jax.errors import UserError, nearest

SUM_TOLERANCE = 1e-6
RARE_MASS = 0.1  # mass of the rarest symbols, a truth's tail
TEXTS = tuple(  # searched for in a folder, in this order
    f"{folder}wiki.train.{kind}{ending}"
    for kind in ("tokens", "raw")  # as published, with rare words as <unk>, or raw
    for folder in ("", "wikitext-2/", "wikitext-2-v1/", "wikitext-2-raw/", "wikitext-2-raw-v1/")
    for ending in ("", ".gz")
)


class Words(NamedTuple):
    """A text as word counts, most frequent first."""

    words: tuple[str, ...]
    counts: np.ndarray  # int [V]
    origin: str  # where the text came from
    note: str  # a notice for the user about it


def checked(probabilities: Sequence[float], what: str) -> np.ndarray:
    """Probabilities `[V]`, float64, divided by their sum.

    Raises:
      UserError: if they are not probabilities of at least two symbols.
    """
    p = np.array(probabilities, np.float64)
    if p.ndim != 1 or len(p) < 2:
        raise UserError(f"{what} has {p.size} symbol{'s' * (p.size != 1)}: expected at least 2")
    if not np.isfinite(p).all() or (p < 0).any():
        raise UserError(f"{what} holds {p[~(p >= 0)][0]:g}: expected probabilities of at least 0")
    if not p.any():
        raise UserError(f"{what} has no support: expected a probability above 0")
    if abs(p.sum() - 1) > SUM_TOLERANCE:
        raise UserError(f"{what} sums to {p.sum():g}: expected probabilities that sum to 1")
    return p / p.sum()


def bernoulli(p: float) -> np.ndarray:
    """Probabilities of the symbols 0 and 1; that of 1 is p."""
    return np.array([1 - p, p], np.float64)


def zipf(
    num_symbols: int, a: float, b: float, observed: int | None = None, layout_seed: int = 0
) -> np.ndarray:
    """Zipf-Mandelbrot: p_i ~ 1 / (i + b)^a, i = 1..V.

    With `observed`, the frequencies of that many draws in place of the law itself, over the drawn
    symbols only, most frequent first: the p_0 of the code released with Suresh et al. 2024 (arXiv
    2412.17646), which normalises its alphabet by these.
    """
    p = (np.arange(1, num_symbols + 1) + b) ** -float(a)
    p /= p.sum()
    if observed is None:
        return p
    counts = np.random.default_rng(layout_seed).multinomial(observed, p)
    seen = np.sort(counts[counts > 0])[::-1]
    return checked(seen / observed, f"the first {observed} draws of data.name='zipf'")


def rarest(probabilities: np.ndarray, mass: float = RARE_MASS) -> np.ndarray:
    """Which symbols are a law's tail, bool `[V]`: the rarest ones of positive probability.

    As many as hold at most `mass` together, and at least one; of equally rare ones, the last.
    """
    p = np.asarray(probabilities, np.float64)
    order = np.argsort(p[::-1], kind="stable")
    order = len(p) - 1 - order  # of equal ones, the last first
    order = order[p[order] > 0]
    count = max(1, int((np.cumsum(p[order]) <= mass + 1e-12).sum()))
    mask = np.zeros(len(p), bool)
    mask[order[:count]] = True
    return mask


@lru_cache(maxsize=4)
def words_of(path: str | None, folder: str | None, num_words: int) -> Words:
    """The first `num_words` words of a text: lower-cased, everything but letters and digits
    replaced by spaces.

    Args:
      path: a text file, plain or .gz; None: WikiText-2's training split in `folder`; if it is
        missing, the reference text that comes with Python, which differs between versions.
      folder: what `path` is relative to.
      num_words: the most words to take.

    Raises:
      UserError: a file that is missing or cannot be read, a text of fewer than 2 words.
    """
    where = _text_path(path, folder)
    if where is None:
        lines, origin = chain.from_iterable(reference_documents()), "pydoc_data.topics"
        note = (
            f"no WikiText-2 was found in data.dir={folder!r}: the words are those of the reference "
            "text that comes with Python, which differs between its versions"
        )
    else:
        lines, origin, note = lines_of(where), str(where.resolve()), ""
    words = list(islice(_words(lines), num_words))
    if len(words) < num_words:
        short = f"{origin} has {len(words):,} words, fewer than data.num_words={num_words:,}"
        note = f"{note}; {short}" if note else short
    counted = Counter(words).most_common()
    if len(counted) < 2:
        raise UserError(f"{origin} has {len(counted)} different words: expected at least 2")
    names, counts = zip(*counted, strict=True)
    return Words(names, np.array(counts), origin, note)


def _words(lines):
    for line in lines:
        yield from re.sub(r"[\W_]+", " ", line.replace("<unk>", " ").lower()).split()


def _text_path(path: str | None, folder: str | None) -> Path | None:
    base = Path(folder or ".").expanduser()
    if path is None:
        return next((base / name for name in TEXTS if (base / name).is_file()), None)
    where = base / Path(path).expanduser()
    if not where.is_file():
        there = [p.name for p in where.parent.iterdir()] if where.parent.is_dir() else []
        raise UserError(
            f"data.path={str(where)!r} is not there: expected a text file, plain or .gz"
            f"{nearest(where.name, there)}"
        )
    return where


def _of_words(point: dict[str, Any]) -> np.ndarray:
    found = words_of(point["data.path"], point["data.dir"], point["data.num_words"])
    return found.counts / found.counts.sum()


# Functions of a point, by data.name.
PROBABILITIES: dict[str, Callable[[dict[str, Any]], np.ndarray]] = {
    "bernoulli": lambda point: bernoulli(point["data.p"]),
    "symbols": lambda point: checked(point["data.probabilities"], "data.probabilities"),
    "uniform_symbols": lambda point: np.full(
        point["data.num_symbols"], 1 / point["data.num_symbols"]
    ),
    "zipf": lambda point: zipf(
        *(point[f"data.{key}"] for key in ("num_symbols", "a", "b", "observed", "layout_seed"))
    ),
    "unigram": _of_words,
}

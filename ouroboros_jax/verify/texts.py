"""Checks of language: the vocabulary that a chain of unigram models keeps."""

from collections.abc import Iterator

from ouroboros_jax.theory.laws import laws, z_score
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session, chosen


def tokens(session: Session) -> Iterator[Reading]:
    """The vocabulary of a unigram model: the exact chain of every token's count."""
    run = session.run(
        "ngram", "replace", "pydoc", chains=150, generations=8, num_samples=200,
        metrics=("surviving_share",), data__tokenizer="words", data__num_blocks=200,
        data__block=16, data__num_test=1,
    )  # fmt: skip
    law = laws(run.points[0], run.metrics["generation"].values)["surviving_share"]
    found = chosen(run, "surviving_share")
    for g in (1, 4, 8):
        score = z_score(law, found, g)
        yield reading.reading(f"surviving vocabulary of unigrams, g={g}", *score[:3])

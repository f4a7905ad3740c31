"""Metrics of language models and of what they write."""

from ouroboros_jax.metrics.names.name import Name

OF_MODELS = (
    "test_loss",
    "relative_loss",
    "test_perplexity",
    "test_log_likelihood",
    "top_mass",
    "effective_vocabulary",
)
OF_WRITING = (
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "distinct_4",
    "vocabulary_survival",
    "zipf_exponent",
    "token_entropy",
    "repetition",
    "self_bleu",
    "longest_copy",
    "sequence_perplexity",
    "sequence_perplexity_median",
    "sequence_perplexity_tail",
    "continuation",
)
OF_COUNTS = (  # of n-grams; two have their entries elsewhere
    "test_loss",
    "relative_loss",
    "test_perplexity",
    "test_log_likelihood",
    "surviving",
    "surviving_share",
    "token_entropy",
    "zipf_exponent",
    "num_contexts",
)
NAMES: dict[str, Name] = {
    "training_loss": Name(
        "training loss of each epoch", "nat/token", ("epoch",), "training loss (nat a token)"
    ),
    "validation_loss": Name(
        "loss on real validation text after each epoch",
        "nat/token",
        ("epoch",),
        "validation loss (nat a token)",
    ),
    "learning_rate": Name("learning rate, mean over an epoch", "1", ("epoch",), "learning rate"),
    "gradient_norm": Name(
        "norm of the gradient, mean over an epoch's batches", "1", ("epoch",), "gradient norm"
    ),
    "best_validation_loss": Name(
        "loss on real validation text of the epoch that was kept", "nat/token", (), "loss (nat)"
    ),
    "best_epoch": Name("the epoch that was kept, by validation loss", "1", (), "epoch kept"),
    "test_loss": Name(
        "mean loss on held-out real text", "nat/token", (), "test loss (nat a token)"
    ),
    "relative_loss": Name(
        "test loss over ln V, the loss of a uniform law on the vocabulary: from 1 on a model is no "
        "better than an untrained one",
        "1",
        (),
        "test loss / ln V",
    ),
    "test_perplexity": Name(
        "perplexity of held-out real text: exp of the mean loss a token",
        "1",
        (),
        "test perplexity",
        "auto",
    ),
    "top_mass": Name(
        "next-token probability of the 10, 100 and 1,000 likeliest tokens (each without the one "
        "before), and of all beyond, after held-out prefixes",
        "1",
        ("top",),
        "next-token probability",
    ),
    "effective_vocabulary": Name(
        "exp of the entropy of the next token, mean over held-out prefixes",
        "tokens",
        (),
        "effective vocabulary (tokens)",
        "auto",
    ),
    **{
        f"distinct_{n}": Name(
            f"different {n}-grams of generated text as a share of all"
            + (": the type-token ratio" if n == 1 else ""),
            "1",
            (),
            f"distinct {n}-grams / all",
        )
        for n in (1, 2, 3, 4)
    },
    "vocabulary_survival": Name(
        "surviving vocabulary: share of token types of as many real blocks that generated text has",
        "1",
        (),
        "surviving vocabulary",
    ),
    "zipf_exponent": Name(
        "exponent a of token frequencies ~ rank^-a", "1", (), "Zipf exponent of tokens"
    ),
    "token_entropy": Name("entropy of token frequencies", "nat", (), "entropy of tokens (nat)"),
    "repetition": Name(
        "share of a generated text's 4-grams that it had before", "1", (), "repeated 4-grams / all"
    ),
    "self_bleu": Name(
        "BLEU-4 of each of 32 generated texts with the others as references", "1", (), "self-BLEU"
    ),
    "longest_copy": Name(
        "longest span copied from the real training text, mean over 32 generated texts",
        "tokens",
        (),
        "longest copied span (tokens)",
    ),
    "sequence_perplexity": Name(
        "perplexity under generation 0 of each generated text",
        "1",
        ("sequence",),
        "perplexity under generation 0",
        "log",
    ),
    "sequence_perplexity_median": Name(
        "median over generated texts of the perplexity under generation 0",
        "1",
        (),
        "median perplexity under generation 0",
        "auto",
    ),
    "sequence_perplexity_tail": Name(
        "99th percentile over the median of generated texts' perplexity under generation 0",
        "1",
        (),
        "99th percentile / median",
        "auto",
    ),
    "continuation": Name(
        "tokens of a held-out prompt and what follows it, of a few prompts",
        "token",
        ("prompt", "token"),
        "token",
    ),
    "num_contexts": Name(
        "different contexts of the n-grams", "1", (), "different contexts", "auto"
    ),
}

"""Learners of text: a transformer decoder, n-gram counts."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.text import OF_COUNTS, OF_MODELS, OF_WRITING
from ouroboros_jax.settings.setting import TEMPERATURE, Entry, Point, Setting

OWN_TOKENIZERS = ("bpe", "bytes", "words")
_BEAM_NEUTRAL = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
_WRITING = {
    "temperature": TEMPERATURE,
    "top_k": Setting(0, "draw from the k likeliest tokens; 0: from all", traced=True, low=0),
    "top_p": Setting(
        1.0,
        "draw from the smallest set of tokens that together have this probability",
        traced=True,
        low=0.0,
        open_low=True,
        high=1.0,
    ),
    "repetition_penalty": Setting(
        1.0,
        "divides positive logits of tokens that the text already has, multiplies negative ones",
        traced=True,
        low=0.0,
        open_low=True,
    ),
    "length_penalty": Setting(
        1.0, "beam: scores are divided by the length to this power", traced=True
    ),
    "method": Setting(
        "sample",
        "how blocks are written: tokens are drawn (sample), the likeliest is taken (greedy), or "
        "beams are searched (beam)",
        choices=("sample", "greedy", "beam"),
    ),
    "num_beams": Setting(5, "number of beams if method=beam", low=2),
    "min_new_tokens": Setting(
        None,
        "no text ends before this many tokens; None: none ends within its block",
        low=0,
        optional=True,
        kinds=(int,),
    ),
    "prompts": Setting(
        "previous",
        "what a new block continues: a block of the previous data set, of the original one, or "
        "nothing (none)",
        choices=("previous", "original", "none"),
    ),
}


def _check_lm(point: Point) -> None:
    if point["x64"]:
        raise UserError(
            "x64=True, but learner.name='lm' computes in float32 or bfloat16: see learner.dtype"
        )
    checkpoint, tokenizer = point["learner.checkpoint"], point.get("data.tokenizer", "auto")
    if checkpoint and tokenizer in OWN_TOKENIZERS:
        raise UserError(
            f"data.tokenizer={tokenizer!r} is not that of learner.checkpoint={checkpoint!r}: leave "
            "it at 'auto'"
        )
    if not checkpoint and point["learner.width"] % point["learner.num_heads"]:
        raise UserError(
            f"learner.num_heads={point['learner.num_heads']} does not divide "
            f"learner.width={point['learner.width']}"
        )
    if point.get("data.num_test") == 0:
        raise UserError("data.num_test=0 leaves no held-out text, which learner.name='lm' needs")
    if point["sampler.method"] == "beam":
        for name, neutral in _BEAM_NEUTRAL.items():
            if point[f"sampler.{name}"] != neutral:
                raise UserError(
                    f"sampler.{name}={point[f'sampler.{name}']} has no meaning for "
                    f"sampler.method='beam': expected {neutral}, or 'sample'"
                )


def _check_ngram(point: Point) -> None:
    if point["learner.order"] > point.get("data.block", point["learner.order"]):
        raise UserError(
            f"learner.order={point['learner.order']} is more than the "
            f"data.block={point['data.block']} tokens of a block"
        )


LEARNERS = {
    "lm": Entry(
        "ouroboros_jax.learners.lm:lm",
        "a GPT-2 or OPT decoder, from scratch or from a published checkpoint",
        {
            "checkpoint": Setting(
                "", "a folder or hub id (gpt2, facebook/opt-125m); '': from scratch"
            ),
            "family": Setting("gpt2", "from scratch: gpt2 or opt", choices=("gpt2", "opt")),
            "num_layers": Setting(4, "from scratch: number of layers", low=1),
            "num_heads": Setting(4, "from scratch: attention heads per layer", low=1),
            "width": Setting(128, "from scratch: width, D", low=1),
            "ffn_width": Setting(0, "from scratch: inner width; 0: 4 D", low=0),
            "dropout": Setting(
                None,
                "share dropped in training; None: the checkpoint's, or no dropout from scratch",
                low=0.0,
                high=1.0,
                open_high=True,
                optional=True,
                kinds=(float,),
            ),
            "dtype": Setting(
                "float32", "number type of the computation", choices=("float32", "bfloat16")
            ),
            "remat": Setting(False, "compute layers twice in training, to save memory"),
            "epochs": Setting(5, "passes over the data in each fit", low=1),
            "batch_size": Setting(16, "blocks per training step", low=1),
            "optimizer": Setting(
                "adamw", "the optimizer, as in torch", choices=("adamw", "adam", "sgd")
            ),
            "learning_rate": Setting(
                1e-3, "learning rate of the optimizer, at its highest", traced=True, low=0.0
            ),
            "weight_decay": Setting(
                0.01, "weight decay of all parameters, by adamw and sgd", traced=True, low=0.0
            ),
            "clip_norm": Setting(
                0.0,
                "gradients with a larger norm are scaled down to this; 0: never",
                traced=True,
                low=0.0,
            ),
            "schedule": Setting(
                "constant",
                "course of the learning rate: constant, a linear rise and fall, or a cosine to "
                "1e-6 by batches (cosine) or by epochs (cosine_epochs)",
                choices=("constant", "linear", "cosine", "cosine_epochs"),
            ),
            "warmup": Setting(
                0.1,
                "share of the batches in which the rate rises if schedule=linear",
                traced=True,
                low=0.0,
                high=1.0,
            ),
            "keep": Setting(
                "best",
                "keep the parameters of the epoch with the lowest loss on real validation text "
                "(best), or of the last epoch",
                choices=("best", "last"),
            ),
            "num_validation": Setting(128, "blocks of validation text", low=1),
            "num_scored": Setting(
                128, "texts written after held-out prompts for the metrics; 0: none", low=0
            ),
            "rows": Setting(64, "blocks decoded or scored at a time", low=1),
        },
        check=_check_lm,
        kind="tokens",
        sampler=_WRITING,
        metrics=(*OF_MODELS, *OF_WRITING),
    ),
    "ngram": Entry(
        "ouroboros_jax.learners.ngram:ngram",
        "counts of n-grams, from which text is sampled",
        {
            "order": Setting(1, "n, the number of tokens in an n-gram", low=1, high=3),
            "smoothing": Setting(
                0.0, "count added to every token after every context", traced=True, low=0.0
            ),
        },
        check=_check_ngram,
        kind="tokens",
        sampler={"temperature": TEMPERATURE},
        metrics=OF_COUNTS,
    ),
}

"""Language models trained on text that language models wrote.

    python launch.py --config=configs/lm.py

default          a GPT-2 of 2 layers from scratch on Python's reference text, sampled at temperature
                 0.8, trained anew on the continuations of every block: 4 chains of 5 generations
:opt125m         OPT-125m fine-tuned on WikiText-2, five beams, 5 epochs, no real text after
                 generation 0: the language model of Shumailov et al. 2023 (arXiv 2305.17493) and
                 Nature 2024, whose released code adds repetition_penalty 3
:opt125m_real10  the same with a tenth of new real blocks in each generation, 10 epochs
:gpt2            as :opt125m, with GPT-2 of 124M parameters
:ngram           counts of the words of Python's reference text, whose survival has an exact law

The default takes 1 min 39 s on 2 idle CPU cores: perplexity of held-out real text rises from
44 [41, 47] to 347 [317, 377] in 5 generations, and distinct pairs of tokens fall from 0.47 to 0.18
of all pairs. :ngram takes 7 s. The published sizes have not been run in full. At the rates measured
on 2 cores for 124M parameters (354 tokens a second trained, 119 decoded by five beams) a generation
of a chain of :opt125m or :gpt2 takes 15 hours, of :opt125m_real10 a day; five chains need 20 GB of
memory. --dry_run --time gives an estimate for other settings and machines.

WikiText-2 and the checkpoints come from the Hugging Face hub, or from the folders that data.dir and
learner.checkpoint name.
"""

from ouroboros_jax.config import choose, new_config

BLOCKS = 37_000  # of the training text: all but the last few hundred


def get_config(variant=""):
    """The config of a variant."""
    variants = {
        "": base,
        "opt125m": opt125m,
        "opt125m_real10": opt125m_real10,
        "gpt2": gpt2,
        "ngram": ngram,
    }
    return choose(variant, variants)


def base():
    """A small model, trained from scratch in minutes."""
    config = new_config(learner="lm", regime="replace", data="pydoc")
    config.data.vocab_size = 512
    config.data.num_test = 64
    config.learner.num_layers = 2
    config.learner.width = 64
    config.learner.epochs = 8
    config.learner.learning_rate = 2e-3
    config.learner.schedule = "cosine"
    config.learner.num_validation = 32
    config.learner.start = "fresh"
    config.sampler.temperature = 0.8
    config.num_samples = 768
    config.chains = 4
    config.generations = 5
    return config


def opt125m():
    """The paper's first setting; rate, batch and schedule are those of its released code."""
    config = new_config(
        learner="lm",
        regime="replace",
        data="wikitext2",
        **{"learner.checkpoint": "facebook/opt-125m"},
    )
    config.data.num_test = 256
    config.learner.start = "base"
    config.learner.epochs = 5
    config.learner.batch_size = 128
    config.learner.learning_rate = 2e-5
    config.learner.schedule = "cosine_epochs"
    config.sampler.method = "beam"
    config.num_samples = BLOCKS
    config.chains = 5
    config.generations = 9
    return config


def opt125m_real10():
    """The paper's second setting."""
    config = opt125m()
    config.regime.name = "fresh"
    config.regime.real_fraction = 0.1
    config.learner.epochs = 10
    return config


def gpt2():
    """The paper's first setting with another model."""
    config = opt125m()
    config.learner.checkpoint = "gpt2"
    return config


def ngram():
    """Unigrams: every word's count is a Wright-Fisher chain."""
    config = new_config(learner="ngram", regime="replace", data="pydoc")
    config.data.tokenizer = "words"
    config.data.num_blocks = 700
    config.num_samples = 700
    config.metrics = ("surviving_share", "surviving", "token_entropy", "zipf_exponent")
    config.chains = 64
    config.generations = 10
    return config

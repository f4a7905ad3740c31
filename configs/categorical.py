"""Symbols that, once lost, never return: the loop of language models in an exactly solvable form.

    python launch.py --config=configs/categorical.py

default       Zipf-Mandelbrot, p_i ~ 1 / (i + 2.7), 1,000 symbols, n = 1,000, replace: 1,000 chains
              of 10 generations
:suresh_zipf  (a, b) of (1, 2.7) and (2, 5), 200 paths: Suresh, Thangaraj and Khandavally 2024
              (arXiv 2412.17646). Their code starts from the frequencies of n draws, which are our
              generation 0, and counts symbols as a share of those drawn: `surviving_share` at
              generation k is what their figure shows at k
:unigram      50,000 words, and as many drawn in each generation: from WikiText-2's training split
              if --config.data.dir names its folder, else from the reference text that comes with
              Python
:wikitext     the paper's 500,000 words of WikiText-2, whose folder --config.data.dir must name
:bernoulli    two symbols, p of .001, .01 and .1, n = 1,000, 100 generations, 4,000 chains: the
              same paper, Theorem 1
:cardinality  how many real points keep symbols alive, and whether their number or their share
              counts: shares 0 to .316 of fresh real data, at n of 100, 316 and 1,000

Measured on 2 idle CPU cores, from start to the last figure:
default       8 s. Survivors at generation 10: 107.6 [107.2, 108.1]; the exact law says 108.1
:suresh_zipf  11 s. surviving_share at generations 1 to 9: .75 .61 .52 .46 .41 .37 .34 .32 .29 and
              .80 .68 .60 .55 .51 .47 .44 .42 .39; the paper's figure shows .76 .62 .53 .465 .417
              .378 .347 .323 .30 and .79 .68 .60 .55 .505 .47 .44 .415 .395
:unigram      7 s. Of generation 0's 2,520 different words, 55.5% are left at generation 10
:wikitext     9 s. Survivors at generation 10: 11,000 [10,977, 11,022]; the exact law says 11,004
:bernoulli    8 s. p = .001 is left in 2.0% [1.6, 2.4] of chains after 101 fits; the law says 1.95%
:cardinality  12 s. Survivors of 200 symbols at generation 30, n = 100: 6.1 without real points, 48
              with 32 of them
"""

from ouroboros_jax.config import choose, new_config


def get_config(variant=""):
    """The config of a variant."""
    variants = {
        "": base,
        "suresh_zipf": suresh_zipf,
        "unigram": unigram,
        "wikitext": wikitext,
        "bernoulli": bernoulli,
        "cardinality": cardinality,
    }
    return choose(variant, variants)


def base():
    """1,000 chains of 10 generations of a Zipf law."""
    config = new_config(learner="categorical", regime="replace", data="zipf")
    config.num_samples = 1000
    config.chains = 1000
    config.generations = 10
    return config


def suresh_zipf():
    """Both laws of the paper's figure, side by side."""
    config = base()
    config.chains = 200
    config.sweep = {"data.a": [1.0, 2.0], "data.b": [2.7, 5.0]}
    config.sweep_mode = "zip"
    return config


def unigram():
    """Ten generations of a vocabulary."""
    config = new_config(learner="categorical", regime="replace", data="unigram")
    config.data.num_words = 50_000
    config.num_samples = 50_000
    config.chains = 20
    config.generations = 10
    return config


def wikitext():
    """The paper's corpus."""
    config = unigram()
    config.data.num_words = config.num_samples = 500_000
    return config


def bernoulli():
    """One rare symbol, until it is lost."""
    config = new_config(learner="categorical", regime="replace", data="bernoulli")
    config.num_samples = 1000
    config.chains = 4000
    config.generations = 100
    config.sweep = {"data.p": [0.001, 0.01, 0.1]}
    return config


def cardinality():
    """Real points per generation, by their share and by their number."""
    config = new_config(learner="categorical", regime="fresh", data="zipf")
    config.data.num_symbols = 200
    config.chains = 300
    config.generations = 30
    config.sweep = {
        "regime.real_fraction": [0.0, 0.01, 0.0316, 0.1, 0.316],
        "num_samples": [100, 316, 1000],
    }
    return config

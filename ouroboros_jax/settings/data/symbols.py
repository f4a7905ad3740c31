"""Data of symbols and of counts, for discrete loops."""

from ouroboros_jax.data.vocabulary import checked
from ouroboros_jax.settings.data.common import LAW_APART, NUM_TEST, data_settings
from ouroboros_jax.settings.setting import COUNT, Entry, Point, Setting

_TEST = NUM_TEST._replace(default=0)
_SYMBOLS = Setting(1000, "number of symbols, V", low=2, high=2**24)


def _check_symbols(point: Point) -> None:
    checked(point["data.probabilities"], f"data.probabilities={point['data.probabilities']}")


def _entry(name: str, text: str, kind: str = "symbols", apart=LAW_APART, **settings) -> Entry:
    return Entry(
        f"ouroboros_jax.data.symbols:{name}",
        text,
        data_settings(**settings, num_test=_TEST),
        apart=apart,
        kind=kind,
    )


DATA = {
    "bernoulli": _entry(
        "bernoulli",
        "two symbols",
        p=Setting(
            0.01,
            "probability of the second symbol",
            traced=True,
            low=0.0,
            high=1.0,
            scheduled=False,
        ),
    ),
    "symbols": _entry(
        "symbols",
        "symbols of given probabilities",
        probabilities=Setting((0.5, 0.3, 0.2), "probabilities of the V symbols", low=0.0, high=1.0),
    )._replace(check=_check_symbols),
    "uniform_symbols": _entry(
        "uniform_symbols", "equally likely symbols", num_symbols=_SYMBOLS._replace(default=100)
    ),
    "zipf": _entry(
        "zipf",
        "Zipf-Mandelbrot symbols, p_i ~ 1 / (i + b)^a",
        num_symbols=_SYMBOLS,
        a=Setting(1.0, "exponent", low=0.0),
        b=Setting(2.7, "shift of the rank i = 1..V", low=-1.0, open_low=True),
        observed=Setting(
            None,
            "take the frequencies of this many draws as the truth, as released code does; None: "
            "the law itself",
            optional=True,
            kinds=(int,),
            low=2,
            high=COUNT,
        ),
        layout_seed=Setting(0, "seed of those draws", low=0, high=2**32 - 1),
    ),
    "unigram": _entry(
        "unigram",
        "the words of a text, by frequency",
        apart=("num_samples", "num_test"),
        path=Setting(
            None,
            "a text file, plain or .gz; None: WikiText-2's training split in data.dir, or else "
            "the reference text that comes with Python",
            optional=True,
            kinds=(str,),
        ),
        num_words=Setting(50_000, "number of words read, from the first on", low=2, high=COUNT),
    ),
    "counts": _entry(
        "counts",
        "Poisson counts",
        kind="counts",
        rate=Setting(
            1.0, "rate of the counts, lambda", traced=True, low=0.0, open_low=True, scheduled=False
        ),
    ),
}

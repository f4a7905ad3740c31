"""The table of names: complete, consistent with the factories, and clear about what is unknown."""

import inspect
import subprocess
import sys

import pytest

from ouroboros_jax.config import new_config
from ouroboros_jax.errors import UserError, nearest
from ouroboros_jax.registry import (
    DATA,
    LEARNERS,
    REGIMES,
    RUN,
    SECTIONS,
    Setting,
    all_settings,
    find,
    load,
    options,
)
from ouroboros_jax.settings.names import own_entry
from ouroboros_jax.settings.values import check_value

NAMED = [(section, name) for section, table in SECTIONS.items() for name in table]
PATHS = {"file": "table.csv", "image_file": "images.npz", "text_file": "text.txt"}
LIGHT = ["registry", "config", "config_files", "checks", "schedule", "sweep", "cli", "errors"]


def test_the_tables():
    assert set(LEARNERS) == {
        *("gaussian", "gmm", "heat_death", "lm", "ngram", "vae"),
        *("categorical", "poisson"),
        *("kde", "symmetric_gmm", "mean", "median", "linear_regression", "logistic_regression"),
    }
    assert set(REGIMES) == {
        *("replace", "accumulate", "accumulate_subsample", "window", "fresh", "fixed_real"),
        *("accumulate_fresh", "weighted"),
    }
    assert set(DATA) == {
        *("normal", "mixture", "blobs", "iris", "wine", "digits", "file"),
        "outcomes",
        *("moons", "circles", "swiss_roll"),
        *("linear", "logistic", "diabetes", "breast_cancer"),
        *("mnist", "fashion_mnist", "kmnist", "image_digits", "image_file"),
        *("wikitext2", "text", "pydoc", "text_file"),
        *("bernoulli", "symbols", "uniform_symbols", "zipf", "unigram", "counts"),
    }


@pytest.mark.parametrize(("section", "name"), NAMED)
def test_settings_agree_with_the_factory(section, name):
    """Static settings are the factory's keyword-only arguments, with the same defaults."""
    entry = SECTIONS[section][name]
    parameters = inspect.signature(load(entry)).parameters.values()
    arguments = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    of_run = ("metrics", "num_symbols", "text") if section == "learner" else ()  # and its data
    for known in of_run:
        arguments.pop(known, None)
    point = {f"{section}.{key}": s.default for key, s in entry.settings.items()}
    point[f"{section}.name"] = PATHS.get(name, name)
    point |= {f"sampler.{key}": s.default for key, s in entry.sampler.items()}
    point = {"regime.name": "replace", "selector.name": "none"} | point
    given = options(section, point)
    assert set(given) == set(arguments)
    for key, default in arguments.items():
        assert _flat(given[key]) == _flat(default), key


def _flat(value):
    if isinstance(value, list | tuple):
        return [number for inner in value for number in _flat(inner)]
    return [value]


@pytest.mark.parametrize(("section", "name"), NAMED)
def test_defaults_are_in_range_and_help_is_there(section, name):
    name = PATHS.get(name, name)
    names = {"learner": "gaussian", "regime": "replace", "data": "normal"} | {section: name}
    for path, setting in all_settings(**names).items():
        checked = check_value(path, setting, setting.default)
        assert checked == setting.default and type(checked) is type(setting.default), path
        assert setting.help, path


@pytest.mark.parametrize(
    ("section", "name", "sentence"),
    [
        ("learner", "gausian", r"learner.name='gausian' is unknown: expected gaussian, gmm, "),
        ("learner", "gausian", r"did you mean 'gaussian'\?"),
        ("regime", "acumulate", r"did you mean 'accumulate'\?"),
        ("data", "irsi", r"iris, wine, digits, .*a path to a .npy or .csv file, .*'iris'\?"),
        ("data", "file", "data.name='file' is unknown"),
        ("learner", None, "learner.name=None is unknown"),
        ("learner", ["gmm"], "learner.name=.* is unknown"),
        ("learner", "no_such_module:f", "there is no module 'no_such_module'"),
        ("learner", "math:cosh_", r"math has no function 'cosh_'; did you mean 'cosh'\?"),
    ],
)
def test_unknown_names(section, name, sentence):
    with pytest.raises(UserError, match=sentence):
        find(section, name)


def test_nearest():
    assert nearest("componets", ["learner.components", "seed"]) == (
        "; did you mean 'learner.components'?"
    )
    assert nearest("learner.x", ["learner.tol", "learner.init"]) == ""
    assert nearest("zzz", ["learner.tol"]) == ""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "my_names.py").write_text(
        "from ouroboros_jax.registry import Setting\n"
        "def my_learner(*, width=3, rate=0.5, metrics=None):\n"
        "    '''A learner of my own.'''\n"
        "def my_regime(*, depth=2): pass\n"
        "def my_data(path='x', *, noise=0.1): pass\n"
        "my_data.settings = {'noise': Setting(0.1, 'noise', traced=True, low=0)}\n"
        "def needy(*, width): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    own_entry.cache_clear()
    all_settings.cache_clear()
    yield "my_names"
    sys.modules.pop("my_names", None)
    own_entry.cache_clear()
    all_settings.cache_clear()


def test_names_of_ones_own(own_module):
    config = new_config(
        learner="my_names:my_learner",
        regime="my_names:my_regime",
        data="my_names:my_data",
        **{"learner.width": 5, "data.noise": [0.1, 0.2], "metrics": ("anything",)},
    )
    assert config.learner.width == 5 and config.learner.rate == 0.5
    assert config.learner.start == "previous"
    assert config.regime.depth == 2 and config.regime.real_fraction == 0.1
    assert config.data.noise == (0.1, 0.2) and config.data.num_test == 1000
    entry = find("learner", "my_names:my_learner")
    assert entry.help == "A learner of my own."
    assert load(entry).__name__ == "my_learner"
    assert options("learner", {"learner.name": "my_names:my_learner", "learner.width": 5,
                               "learner.rate": 0.5}) == {"width": 5, "rate": 0.5}  # fmt: skip
    with pytest.raises(UserError, match=r"no module|no function 'my_lerner'.*'my_learner'"):
        find("learner", "my_names:my_lerner")
    with pytest.raises(UserError, match="its argument 'width' has no default"):
        find("learner", "my_names:needy")
    with pytest.raises(UserError, match=r"learner.width='a' is not a whole number"):
        new_config(
            learner="my_names:my_learner",
            regime="replace",
            data="normal",
            **{"learner.width": "a"},
        )


def test_draw_auto_becomes_what_it_stands_for():
    config = {"learner.name": "gaussian", "learner.estimator": "mle", "learner.draw": "auto"}
    config |= {"selector.name": "none"}
    assert options("learner", config | {"regime.name": "replace"})["draw"] == "sufficient"
    assert options("learner", config | {"regime.name": "accumulate_subsample"})["draw"] == "samples"


def test_traced_settings_are_numbers():
    for section, name in NAMED:
        for key, setting in SECTIONS[section][name].settings.items():
            if setting.traced:
                assert {int, float} & set(setting.types), f"{section}.{key}"
    assert all(isinstance(setting, Setting) for setting in RUN.values())


def test_nothing_here_imports_jax():
    code = "import sys\n" + "".join(f"import ouroboros_jax.{name}\n" for name in LIGHT)
    code += "sys.exit('jax' in sys.modules or 'flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

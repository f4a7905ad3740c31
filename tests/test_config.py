"""Configs: made, changed, checked, written and read back; every refusal is one clear sentence."""

import re
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from ouroboros_jax.checks import check_point
from ouroboros_jax.config import (
    apply,
    flatten,
    from_json,
    identity,
    load_config,
    new_config,
    to_json,
)
from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import linear
from ouroboros_jax.settings.learners.draw import draws_statistics
from ouroboros_jax.settings.values import parse_text
from ouroboros_jax.sweep import expand

CONFIGS = Path(__file__).parent.parent / "configs"


def _names():
    """Every config that comes with the package, and its variants, as its file tells them."""
    for path in sorted(CONFIGS.glob("*.py")):
        yield path.stem
        try:
            load_config(f"{path.stem}:?")
        except UserError as error:
            known = re.search(r"expected none or one of ([\w, ]+)", str(error))
            yield from (f"{path.stem}:{variant}" for variant in known[1].split(", "))


NAMES = list(_names())


def small(**overrides):
    return new_config(learner="gmm", regime="replace", data="mixture", **overrides)


@pytest.mark.parametrize("name", NAMES)
def test_packaged_configs(name):
    config = load_config(name)
    assert isinstance(config, ConfigDict) and config.is_locked
    stem, _, variant = name.partition(":")
    assert load_config(f"{CONFIGS / stem}.py:{variant}") == config
    text = to_json(config)
    assert from_json(text) == config
    assert to_json(from_json(text)) == text
    assert apply(config, {}) == config


def test_the_numbers_of_the_papers():
    gaussian = load_config("gaussian")
    assert (gaussian.num_samples, gaussian.chains, gaussian.generations) == (100, 1000, 200)
    assert gaussian.learner.estimator == "mle" and draws_statistics(expand(gaussian)[0].point)
    suresh = load_config("gaussian:suresh")
    assert (suresh.num_samples, suresh.chains, suresh.generations) == (100, 25, 2500)
    assert suresh.learner.estimator == "unbiased"
    shumailov = load_config("gmm:shumailov")
    assert (shumailov.learner.tol, shumailov.learner.max_iter) == (1e-5, 2000)
    assert (shumailov.num_samples, shumailov.generations) == (1000, 2050)
    gmm = load_config("gmm")
    assert (gmm.num_samples, gmm.chains, gmm.generations) == (1000, 64, 20)
    assert gmm.data.means == (-2.0, 2.0)


def test_every_config_has_the_fields_of_the_contract():
    for name in NAMES:
        config = load_config(name)
        point = flatten(config)
        assert isinstance(config.sampler, ConfigDict)  # empty where there is nothing to set
        for path in (
            *("seed", "chains", "generations", "num_samples", "chain_block", "learner.name"),
            *("regime.name", "data.name", "data.dir", "data.num_samples"),
            *("learner.start", "sweep", "store.every", "regime.window", "regime.real_fraction"),
        ):
            assert path in point


def test_overrides():
    config = load_config("gmm", {"chains": 3, "learner.tol": 1, "num_samples": 1e4})
    assert (config.chains, config.learner.tol, config.num_samples) == (3, 1.0, 10_000)
    assert type(config.num_samples) is int and type(config.learner.tol) is float
    assert load_config("gmm").chains == 64


def test_schedules_in_configs():
    config = small(num_samples=linear(100, 10), generations=5)
    assert config.num_samples == "linear(100, 10)"
    config = apply(config, {"learner.tol": [1e-3, 1e-4], "num_samples": np.array([20, 30])})
    assert config.learner.tol == (1e-3, 1e-4) and config.num_samples == (20, 30)
    config.num_samples = linear(20, 1)  # as a config file would
    assert flatten(config)["num_samples"] == "linear(20, 1)"


def test_a_new_name_keeps_what_was_set_and_still_exists():
    config = small(**{"learner.tol": 1e-9, "learner.start": "fresh", "data.num_test": 7})
    other = apply(config, {"learner.name": "gaussian", "data.name": "blobs"})
    assert other.learner.start == "fresh" and other.learner.estimator == "mle"
    assert "tol" not in other.learner
    assert other.data.num_test == 7 and other.data.num_features == 2
    table = apply(small(), {"data.name": "iris", "num_samples": 100})
    assert table.data.num_test is None, "a default of the old name is not kept"
    assert apply(config, {"data.num_features": 3, "data.name": "normal"}).data.num_features == 3


def test_apply_leaves_its_argument_alone():
    config = small()
    before = to_json(config)
    apply(config, {"chains": 9, "learner.name": "gaussian"})
    assert to_json(config) == before


def test_identity():
    config = small(sweep={"seed": 3, "regime.real_fraction": [0, 0.5]})
    same = apply(
        config,
        {"generations": 99, "figures.pdf": True, "figures.generations": [1], "sweep_limit": 7},
    )
    assert identity(config) == identity(same)
    for path, value in [("seed", 1), ("store.every", 2), ("learner.tol", 1e-4), ("sweep", {})]:
        other = apply(config, {path: value})
        differ = [p for p, v in identity(other).items() if identity(config)[p] != v]
        assert differ == [path]


def test_sweeps_stay_plain_dicts():
    config = small(sweep={"regime.real_fraction": np.linspace(0, 1, 3), "seed": 4})
    assert config.sweep == {"regime.real_fraction": (0.0, 0.5, 1.0), "seed": 4}
    assert from_json(to_json(config)).sweep == config.sweep


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("-5", -5),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("gmm", "gmm"),
        ("linear(1, 2)", "linear(1, 2)"),
        ("{'seed': 3}", {"seed": 3}),
        ("a b'", "a b'"),
    ],
)
def test_parse_text(text, value):
    assert parse_text(text) == value


def test_words_of_the_command_line():
    config = small(**{"figures.pdf": "true", "metrics": "mean,variance"})
    assert config.figures.pdf is True and config.metrics == ("mean", "variance")
    assert apply(config, {"metrics": ()}).metrics == ()


REFUSED = [
    ({"learner.componets": 3}, "'learner.componets' is not a setting of the learner 'gmm'"),
    ({"learner.componets": 3}, r"did you mean 'learner.components'\?"),
    ({"componets": 3}, r"there is no setting 'componets'; did you mean 'learner.components'\?"),
    ({"chain": 3}, r"there is no setting 'chain'; did you mean 'chains'\?"),
    ({"learner": "gmm"}, "'learner' is a section: set one of its fields, learner.name"),
    ({"learner.name": "gmn"}, r"learner.name='gmn' is unknown.*did you mean 'gmm'\?"),
    ({"regime.name": "replaced"}, r"did you mean 'replace'\?"),
    ({"data.name": "nowhere/points.csv"}, "data.name='nowhere/points.csv' is not there"),
    ({"num_samples": -3}, "num_samples=-3 is out of range: expected a whole number of at least 2"),
    ({"num_samples": 1}, "num_samples=1 is out of range"),
    ({"num_samples": 2.5}, "num_samples=2.5 is not a whole number of at least 2"),
    ({"num_samples": 3e9}, "expected a whole number from 2 to 2147483647"),
    ({"num_samples": [100, 1]}, "num_samples=1 is out of range"),
    ({"data.num_samples": -1}, "data.num_samples=-1 is out of range"),
    ({"data.num_samples": [5, 6]}, r"data.num_samples=\[5, 6\] is not a whole number"),
    ({"chains": 0}, "chains=0 is out of range: expected a whole number of at least 1"),
    ({"chains": True}, "chains=True is not a whole number"),
    ({"chains": "many"}, "chains='many' is not a whole number of at least 1"),
    ({"generations": -1}, "generations=-1 is out of range"),
    ({"seed": 2**32}, "seed=4294967296 is out of range"),
    ({"learner.tol": "small"}, "learner.tol='small' is not a number of at least 0 or a schedule"),
    ({"learner.tol": float("nan")}, "learner.tol=nan is out of range: expected a finite number"),
    ({"learner.tol": "linea(1, 2)"}, r"learner.tol: 'linea\(1, 2\)' is not a schedule"),
    ({"learner.init": "kmean"}, r"expected 'kmeans', .* or 'previous'; did you mean 'kmeans'\?"),
    ({"learner.n_init": [1, 2]}, r"learner.n_init=\[1, 2\] is not a whole number of at least 1$"),
    ({"regime.real_fraction": 1.5}, r"expected a number in \[0, 1\]"),
    ({"regime.real_weight": "gold"}, r"did you mean 'golden'\?"),
    ({"sampler.bias": 0}, "sampler.bias=0.0 is out of range: expected a number above 0"),
    ({"metrics": ["varience"]}, r"metrics='varience' is unknown.*did you mean 'variance'\?"),
    ({"x64": 1}, "x64=1 is not true or false"),
    ({"chain_block": "all"}, "chain_block='all' is unknown: expected a whole number of at least 1"),
    ({"sweep": [1]}, r"sweep=\[1\] is not a dict"),
]


@pytest.mark.parametrize(("overrides", "sentence"), REFUSED)
def test_refusals(overrides, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        load_config("gmm", overrides)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_folders_are_not_suggested_as_files(tmp_path):
    (tmp_path / "dir.csv").mkdir()
    for name in ("dir.csv", "dirs.csv"):
        with pytest.raises(UserError, match=r"expected a \.npy or \.csv file$"):
            load_config("gmm", {"data.name": str(tmp_path / name)})


UNWATCHED = [
    (
        "gaussian",
        {"collapse.metric": "separation"},
        "is not recorded by learner.name='gaussian': expected 'variance', 'test_log_likelihood' or",
    ),
    (
        "gmm",
        {"collapse.metric": "separation", "metrics": ("variance",)},
        r"is not recorded, since metrics=\['variance'\] leaves it out",
    ),
]


@pytest.mark.parametrize(("name", "overrides", "sentence"), UNWATCHED)
def test_what_is_watched_has_to_be_recorded(name, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        load_config(name, overrides)


def test_what_one_learner_of_a_sweep_records_can_be_watched():
    learners = {"learner.name": ("gaussian", "gmm")}
    config = load_config("gmm", {"collapse.metric": "separation", "sweep": learners})
    assert config.collapse.metric == "separation"
    load_config("gmm", {"metrics": ("mean",)})  # the default need not be there


CROSS_CHECKED = [
    (
        "gmm",
        {"learner.components": 2000},
        "num_samples=1000 is too few: learner.components=2000 needs at least 2000 points",
    ),
    ("gmm", {"data.num_samples": 2, "learner.components": 3}, "data.num_samples=2 is too few"),
    (
        "gmm",
        {"num_samples": "linear(100, -10)"},
        r"num_samples=linear\(100, -10\) is -100 at generation 20: expected a whole number of at",
    ),
    (
        "gmm",
        {"num_samples": "linear(40, -1)", "learner.components": 25},
        r"num_samples=linear\(40, -1\), which is 20 at generation 20, is too few",
    ),
    ("gmm", {"learner.tol": "linear(1e-3, -1e-4)"}, "is -0.001 at generation 20"),
    (
        "gaussian",
        {"regime.name": "accumulate_subsample", "learner.draw": "sufficient"},
        "learner.draw='sufficient' cannot be exact with regime.name='accumulate_subsample', which "
        "goes on with some of the points: use learner.draw='auto' or 'samples'",
    ),
    (
        "gaussian",
        {"regime.name": "fresh", "regime.real_of": "previous", "learner.draw": "sufficient"},
        "with regime.name='fresh' with regime.real_of='previous', which goes on with some",
    ),
    ("gmm", {"collapse.thresholds": [[1]]}, r"collapse.thresholds=\[1\] is not"),
    ("gmm", {"data.weights": [1, [2]]}, r"data.weights=\[2\] is not"),
    ("gmm", {"metrics": [["mean"]]}, r"metrics=\['mean'\] is not"),
    ("gmm", {"generations": 10**400}, "generations=10000000000000000000... is out of range"),
    ("gmm", {"store.every": 1e308}, "store.every=.* is out of range: expected a whole number"),
    ("gmm", {"chain_block": 2**31}, "chain_block=2147483648 is out of range"),
    ("gaussian", {"data.std": 1e39}, r"data.std=1e\+39 is out of range"),
    ("gmm", {"learner.name": ":"}, "learner.name=':': expected 'module:function'"),
    ("gmm", {"sweep": {3: [1]}}, "sweep: 3 is no name of a setting"),
    ("gmm", {"figures.colormap": "nonsense"}, "figures.colormap='nonsense' is unknown"),
    ("gmm", {"data.name": "iris"}, "num_samples=1000 is more real points .* expected at most 120"),
    ("gmm:iris", {"data.num_test": 40}, "150, of which 40 are held out for testing"),
    ("gmm", {"data.stds": [1, 2, 3]}, "has 3 values for the 2 components"),
    ("gmm", {"data.means": [[0, 1], [2]]}, "mixes dimensions"),
    (
        "gmm",
        {"regime.name": "weighted", "regime.real_fraction": 0},
        "gives the real points weight 0.5, but regime.real_fraction=0.0 of num_samples=1000 leaves",
    ),
    (
        "gmm",
        {"regime.name": "weighted", "regime.real_fraction": "linear(1, -0.25)", "generations": 4},
        "the real points weight 0.5 at generation 4, but regime.real_fraction=linear",
    ),
]


@pytest.mark.parametrize(("name", "overrides", "sentence"), CROSS_CHECKED)
def test_cross_checks(name, overrides, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        load_config(name, overrides)
    assert "\n" not in str(caught.value)


def test_what_the_cross_checks_let_pass():
    for name, overrides in [
        ("gaussian", {"regime.name": "accumulate_subsample", "learner.draw": "auto"}),
        ("gaussian", {"regime.name": "accumulate_subsample", "learner.draw": "samples"}),
        ("gmm", {"regime.name": "weighted", "regime.real_weight": "golden"}),
        ("gmm", {"num_samples": "linear(100, -4)"}),
        ("gmm:iris", {"data.num_test": 30}),
        ("gmm", {"data.means": [[0, 1], [2, 3]], "data.stds": [1, 2], "data.weights": [1, 3]}),
    ]:
        check_point(flatten(load_config(name, overrides)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gaussia", r"there is no config 'gaussia': expected a file .*did you mean 'gaussian'\?"),
        ("gmm:iri", r"has no variant 'iri': .* shumailov, samples, iris; did you mean 'iris'\?"),
        (f"{CONFIGS}/gm.py", r"there is no config file .*did you mean '.*gmm.py'\?"),
    ],
)
def test_unknown_configs(name, sentence):
    with pytest.raises(UserError, match=sentence):
        load_config(name)


def test_a_misspelt_field_in_a_config_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from ouroboros_jax.config import new_config\n"
        "def get_config():\n"
        "    config = new_config(learner='gmm', regime='replace', data='normal')\n"
        "    config.learner.componets = 3\n"
        "    return config\n"
    )
    with pytest.raises(UserError, match=r"mine.py sets a field 'componets'.*learner.components"):
        load_config(str(path))
    path.write_text(path.read_text().replace("componets = 3", "tol = 'x'"))
    with pytest.raises(UserError, match=re.escape("learner.tol='x' is not a number")):
        load_config(str(path))
    path.write_text("x = 1\n")
    with pytest.raises(UserError, match="is not a config file: it has no function get_config"):
        load_config(str(path))


def test_names_set_in_place_are_caught():
    config = small()
    config.learner.name = "gaussian"
    with pytest.raises(UserError, match=r"'learner.components' is not a setting of the learner"):
        flatten(config)


def test_a_stored_config_opens_without_its_names():
    text = to_json(small()).replace('"gmm"', '"no_such_module:learner"')
    assert from_json(text).learner.name == "no_such_module:learner"

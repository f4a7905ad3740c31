"""Stored generations scored on other data: points, images, tokens, by the learner's own metrics."""

import shutil

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import ouroboros_jax as oj
from ouroboros_jax.cli import main
from ouroboros_jax.config import new_config
from ouroboros_jax.data.translated import translated
from ouroboros_jax.errors import UserError

LAST = 3
SETTINGS = {"chains": 2, "generations": LAST, "num_samples": 12, "chain_block": 2}
POINTS = {"learner": "gaussian", "regime": "replace", "data": "normal", "data.num_test": 0}
IMAGES = {"learner": "toys:judged", "regime": "replace", "data": "toys:digits_of_mine"}


@pytest.fixture(autouse=True)
def shared(compiled_once, quick_compilation):
    """Programs are compiled once."""


def go(workdir=None, **settings):
    names = {name: settings.pop(name) for name in ("learner", "regime", "data")}
    config = new_config(**names, **SETTINGS | settings)
    return oj.run(config, workdir, progress=False, figures=False)


@pytest.fixture(scope="module")
def points(tmp_path_factory, compiled_once):
    """A thinned run of Gaussians, and a file of 3 rows to score it on."""
    folder = tmp_path_factory.mktemp("evaluate")
    np.savetxt(folder / "rows.csv", [[0.5], [-1.0], [2.0]])
    own = {"metrics": ("variance",), "store.every": 2}
    return go(folder / "run", **POINTS | own), folder / "rows.csv"


def test_points_by_their_likelihood(points):
    """All rows count, the metric need not have been recorded, thinned generations are NaN."""
    run, path = points
    scores = run.evaluate(str(path), "mine")
    values = scores.test_log_likelihood
    assert values.dims == ("chain", "generation") and scores.attrs["num_points"] == 3
    assert values.attrs["units"] == "nat" and str(path) in values.attrs["long_name"]
    assert np.isnan(values[:, 1]).all()
    for g in (0, 2, LAST):
        for chain in range(2):
            params = run.params(g, chain)
            law = stats.norm(params["mean"][0], np.exp(params["log_scale"][0]))
            expected = law.logpdf([0.5, -1.0, 2.0]).mean()
            np.testing.assert_allclose(values[chain, g], expected, rtol=1e-4)
    with xr.open_dataset(run.workdir / "evaluations" / "mine.nc") as stored:
        xr.testing.assert_identical(stored.load(), scores)


def test_from_the_command_line(points, capsys):
    run, path = points
    words = ["evaluate", f"--workdir={run.workdir}", f"--data={path}", "--name=again"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "test_log_likelihood: " in printed and "evaluations/again.nc" in printed
    for data, sentence in (
        ("iris", "data='iris' has 4 features, and this run's models have 1"),
        ("normal", "data='normal' is a law, expected rows"),
        ("nothing.csv", "'nothing.csv' is not there"),
        ("irsi", "did you mean 'iris'?"),
        (str(path.parent), "is fitted to points, and data.name="),  # a folder is one of images
    ):
        assert main([*words[:2], f"--data={data}"]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
    other = path.parent / "other"
    other.mkdir()
    copy = shutil.copy(path, other / path.name)
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words[:2], f"--data={copy}", "--name=again"]) == 2
    assert f"holds the scores on '{path}': expected another name" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"name='\.\./x': expected letters"):
        run.evaluate(str(path), "../x")


def test_images_by_what_the_learner_declares():
    """Data that is no table of points: the held-out part of another set, with what was prepared;
    several groups, and a score of several numbers."""
    run = go(**IMAGES | {"sweep": {"learner.steps": [1, 2]}})
    assert len(run.groups) == 2
    scores = run.evaluate("toys:digits_of_another")
    assert set(scores.data_vars) == {"closeness", "by_class"}
    assert scores.closeness.dims == ("chain", "generation")
    assert scores.by_class.shape == (4, LAST + 1, 3)
    assert scores["learner.steps"].values.tolist() == [1, 1, 2, 2]
    import toys

    test = toys.digits_of_another().test
    table = toys.digits_of_mine().table
    for chain in (0, 3):
        images = run.params(2, chain)["images"]
        gap = test["image"].astype(float) / 255 - images[test["label"]]
        prepared = table["image"].mean() / 255
        expected = -np.square(gap).mean() / prepared
        np.testing.assert_allclose(scores.closeness[chain, 2], expected, rtol=1e-5)
    with pytest.raises(UserError, match="has points of"):
        run.evaluate("toys:tag_table")


def test_learners_without_scores_say_so():
    run = go(**{**IMAGES, "learner": "toys:pictures"})
    with pytest.raises(UserError, match=r"'toys:pictures' has no metric of test data.* variance"):
        run.evaluate("toys:digits_of_mine")


class Letters:
    """A tokenizer of one token a letter, shifted by `first`."""

    dtype = np.int16

    def __init__(self, first):
        self.first = first

    def encode(self, lines):
        return [[ord(letter) - self.first for letter in line] for line in lines]

    def decode(self, tokens):
        return "".join(chr(token + self.first) for token in tokens)


def test_text_is_read_in_the_runs_own_tokens():
    old, new = Letters(10), Letters(20)
    rows = np.array([[ord(a) - 10 for a in word] for word in ("one\n", "two\n", "six\n")])
    found = translated(rows, old, new, 5)
    assert found.dtype == np.int16
    assert [new.decode(row) for row in found] == ["one\nt", "wo\nsi"]
    assert translated(rows, old, old, 4) is rows
    with pytest.raises(UserError, match="fewer than the 13 tokens"):
        translated(rows, old, new, 13)

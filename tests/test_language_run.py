"""A language model's run as a user has it: resumed, its tokenizer kept, a generation exported."""

import json

import jax
import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax.cli import main
from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners.lm_loss import token_losses
from ouroboros_jax.models.checkpoints import load
from ouroboros_jax.models.decoder import Decoder
from ouroboros_jax.programs.factories import make_learner, make_real

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "lines.txt"
    rng = np.random.default_rng(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "slept"]
    lines = [" ".join(rng.choice(words, 8)) + ".\n" for _ in range(300)]
    path.write_text("".join(lines))
    return str(path)


def config_of(text_file, **others):
    settings = {
        "data.tokenizer": "bytes",
        "data.block": 8,
        "data.num_test": 6,
        "learner.num_layers": 1,
        "learner.num_heads": 2,
        "learner.width": 8,
        "learner.epochs": 2,
        "learner.num_scored": 6,
        "learner.rows": 8,
    }
    return new_config(
        learner="lm", data=text_file, num_samples=16,
        **{"regime": "fresh", "generations": 2, "chains": 2, "regime.real_of": "previous"}
        | settings | others,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(text_file, tmp_path_factory):
    return oj.run(
        config_of(text_file), workdir=tmp_path_factory.mktemp("runs") / "lm", progress=False,
        figures=False,
    )  # fmt: skip


def load_config_of(run, folder):
    run.export(0, folder / "model")
    return load(str(folder / "model")).config


def test_metrics_have_names_and_dims(run):
    metrics = run.metrics
    assert metrics.training_loss.dims == ("chain", "generation", "epoch")
    assert metrics.sequence_perplexity.dims == ("chain", "generation", "sequence")
    assert metrics.top_mass.dims == ("chain", "generation", "top")
    assert metrics.continuation.shape == (2, 3, 4, 16)
    assert np.isfinite(metrics.test_perplexity).all()
    assert metrics.test_loss.attrs["units"] == "nat/token"
    np.testing.assert_allclose(metrics.relative_loss, metrics.test_loss / np.log(257), rtol=1e-5)
    entry = run.summary["points"][0]["metrics"]["test_loss"]
    later = metrics.test_loss.mean("chain").values[1:]
    np.testing.assert_allclose(entry["slope"], later[1] - later[0], atol=1e-6)
    shared = metrics.sequence_perplexity.median("sequence")
    np.testing.assert_allclose(shared, metrics.sequence_perplexity_median, rtol=1e-5)


def test_data_is_drawn_again_from_what_is_stored(run):
    """A tenth of a training set is taken over from the one before, the rest was written."""
    first, second = run.data(0, 1), run.data(1, 1)
    assert first.dtype == second.dtype == np.uint16 and first.shape == second.shape == (16, 8)
    rows = {row.tobytes() for row in first}
    taken = [row.tobytes() in rows for row in second]
    assert sum(taken) >= 2 and not all(taken)


def test_a_generation_exported_and_loaded_again(run, tmp_path, capsys):
    out = tmp_path / "model"
    command = ["export", f"--workdir={run.workdir}", "--generation=2", "--chain=1", f"--out={out}"]
    assert main(command) == 0 and str(out) in capsys.readouterr().out
    loaded = load(str(out))
    params = run.params(2, 1)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(params)
    for a, b in zip(jax.tree.leaves(loaded.params), jax.tree.leaves(params), strict=True):
        assert (a == b).all()
    assert loaded.config.num_positions == 16 and loaded.config.vocab_size == 257
    for folder in (out, run.workdir / "tokenizer"):
        about = json.loads((folder / "tokenizer_config.json").read_text())
        assert about["eos_token"] == "<|endoftext|>" and (folder / "tokenizer.json").exists()
    with pytest.raises(UserError, match="generation"):
        run.export(3, tmp_path / "other")


@pytest.mark.parametrize("tokenizer", ["bytes", "words"])
def test_an_exported_model_is_a_checkpoint_to_go_on_from(tokenizer, run, text_file, tmp_path):
    """Its tokenizer gives the same tokens, and fits begin from its parameters."""
    if tokenizer != "bytes":
        config = config_of(text_file, **{"data.tokenizer": tokenizer})
        run = oj.run(config, tmp_path / "run", progress=False, figures=False)
    run.export(1, tmp_path / "model")
    checkpoint = {"learner.checkpoint": str(tmp_path / "model"), "data.tokenizer": "auto"}
    point = flatten(config_of(text_file, **checkpoint))
    np.testing.assert_array_equal(make_real(point).table, run.program(0).real.table)
    learner = make_learner(point)
    begun = jax.jit(lambda: learner.init(jax.random.key(0), None, None))()
    for a, b in zip(jax.tree.leaves(begun), jax.tree.leaves(run.params(1, 0)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_that_has_changed_is_another_run(run, text_file, tmp_path):
    """Weights decide what a run is, as its data do; and they are read again once they change."""
    model, workdir = tmp_path / "model", tmp_path / "run"
    tiny = {"learner.checkpoint": str(model), "data.tokenizer": "auto", "learner.epochs": 1}
    config = config_of(text_file, generations=1, **tiny)
    for generation in (1, 2):
        run.export(generation, model)
        learner = make_learner(flatten(config))
        begun = jax.jit(lambda learner=learner: learner.init(jax.random.key(0), None, None))()
        expected = run.params(generation, 0)
        jax.tree.map(np.testing.assert_array_equal, begun, expected)
        if generation == 1:
            oj.run(config, workdir, progress=False, figures=False)
    with pytest.raises(UserError, match=r"differs in the sha256 of learner\.checkpoint"):
        oj.run(config_of(text_file, generations=2, **tiny), workdir, progress=False)


def test_texts_without_prompts_have_no_continuations(text_file):
    config = config_of(text_file, generations=1, chains=1, **{"sampler.prompts": "none"})
    metrics = oj.run(config, progress=False).metrics
    assert "continuation" not in metrics and np.isfinite(metrics.effective_vocabulary).all()


def test_what_a_generation_wrote_is_scored_block_by_block(run, tmp_path, capsys):
    """`sample` into an .npz and `evaluate` on it: the loss of those blocks, cut nowhere else."""
    out = tmp_path / "gen.npz"
    where = f"--workdir={run.workdir}"
    assert main(["sample", where, "--generation=2", "--num_samples=5", f"--out={out}"]) == 0
    assert main(["evaluate", where, f"--data={out}"]) == 0
    assert "evaluations/gen.nc" in capsys.readouterr().out
    with np.load(out) as stored:
        tokens = stored["data"]
    assert tokens.shape == (5, 8)
    scores = run.evaluate(str(out), "again")
    assert scores.attrs["num_points"] == 5
    model = Decoder(load_config_of(run, tmp_path))
    losses = token_losses(model, run.params(1, 1), tokens)
    np.testing.assert_allclose(scores.test_loss[1, 1], losses.mean(), rtol=1e-5)


def test_all_of_a_text_file_is_scored(run, text_file):
    with open(text_file) as stream:
        num = len(stream.read())
    assert run.evaluate(text_file, "text").attrs["num_points"] == num // 8


def test_what_does_not_go_together_is_said_before_anything_runs(text_file):
    for settings, sentence in (
        ({"learner.checkpoint": "gpt2"}, r"data\.tokenizer='bytes' is not that of"),
        ({"learner.num_heads": 3}, r"learner\.num_heads=3 does not divide"),
        ({"sampler.method": "beam", "sampler.top_k": 5}, r"sampler\.top_k=5 has no meaning"),
        ({"x64": True}, "computes in float32"),
        ({"data.num_test": 0}, "leaves no held-out text"),
    ):
        with pytest.raises(UserError, match=sentence):
            oj.run(config_of(text_file, **settings), progress=False)

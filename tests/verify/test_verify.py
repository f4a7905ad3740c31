"""Readings are judged as they should be, and the table's exit status says so."""

import numpy as np
import pytest

from ouroboros_jax import cli, verify
from ouroboros_jax.cli import verbs
from ouroboros_jax.theory import mixture
from ouroboros_jax.verify import mixtures, reading
from ouroboros_jax.verify.report import line
from ouroboros_jax.verify.session import Session, chosen, values

pytestmark = pytest.mark.usefixtures("quick_compilation")

RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal(4000)


@pytest.mark.parametrize(("right", "wrong"), [
    (reading.mean("", 0.0, NORMAL), reading.mean("", 0.1, NORMAL)),
    (reading.mean("", 0.0, NORMAL, sd=1.0), reading.mean("", 0.1, NORMAL, sd=1.0)),
    (reading.variance("", 1.0, NORMAL), reading.variance("", 1.2, NORMAL)),
    (reading.ratio("", 2.0, 2 * NORMAL**2 + 0.1 * RNG.standard_normal(4000), NORMAL**2),
     reading.ratio("", 2.1, 2 * NORMAL**2 + 0.1 * RNG.standard_normal(4000), NORMAL**2)),
    (reading.share("", 0.3, RNG.random(4000) < 0.3),
     reading.share("", 0.4, RNG.random(4000) < 0.3)),
    (reading.exact("", [1.0, 2.0], [1.0, 2.0 + 1e-9], 1e-8), reading.exact("", 1.0, 1.01, 1e-8)),
    (reading.exact("", 0.0, 0.0, 1e-8), reading.exact("", 0.0, np.nan, 1e-8)),
    (reading.between("", -0.5, 0.5, NORMAL), reading.between("", 0.2, 0.5, NORMAL)),
    (reading.between("", 0.5, 0.6, NORMAL + 0.55), reading.between("", -0.5, -0.2, NORMAL)),
    (reading.same_law("", NORMAL[:2000], NORMAL[2000:]),
     reading.same_law("", NORMAL, NORMAL + 0.3)),
    (reading.follows("", lambda x: np.clip(x, 0, 1), RNG.random(4000)),
     reading.follows("", lambda x: np.clip(x, 0, 1), RNG.random(4000) ** 2)),
    (reading.reading("", 1.0, 1.0, 0.0), reading.reading("", 1.0, 1.1, 0.0)),
    (reading.reading("", 1.0, 1.0, 1.0), reading.reading("", 1.0, np.nan, 1.0)),
])  # fmt: skip
def test_right_holds_and_wrong_fails(right, wrong):
    assert right.holds and abs(right.z) < 4.5
    assert not wrong.holds
    assert line(right).endswith("ok") and line(wrong).endswith("FAILS")


def test_standard_errors():
    assert reading.mean("", 0.0, NORMAL).error == pytest.approx(1 / np.sqrt(4000), rel=0.05)
    assert reading.variance("", 1.0, NORMAL).error == pytest.approx(np.sqrt(2 / 4000), rel=0.1)
    assert reading.mean("", 0.0, NORMAL, sd=2.0).error == 2 / np.sqrt(4000)
    below = 1 + 0.1 * NORMAL
    noise = RNG.standard_normal(4000)
    found = reading.ratio("", 3.0, 3 * below + noise, below)
    assert found.error == pytest.approx(1 / np.sqrt(4000), rel=0.1), "what both share cancels"
    inside = reading.between("", -0.5, 0.5, NORMAL)
    assert inside.z <= 0


def test_a_session_runs_what_is_asked_once_and_at_its_size():
    session = Session(0.1)
    asked = ("gaussian", "replace", "normal")
    settings = {"chains": 100, "generations": 2, "metrics": ("variance",), "sweep": {
        "num_samples": [5, 10]}}  # fmt: skip
    run = session.run(*asked, **settings)
    assert run.num_chains == 20 and session.run(*asked, **settings) is run
    assert values(run, "variance", 2, num_samples=5).shape == (10,)
    assert chosen(run, "variance").shape == (20, 3)
    both = np.concatenate([values(run, "variance", 1, num_samples=n) for n in (5, 10)])
    np.testing.assert_array_equal(both, values(run, "variance", 1))


@pytest.fixture
def only_mixtures(monkeypatch):
    monkeypatch.setattr(verify, "CHECKS", {"mixtures": mixtures.squared_l2})
    monkeypatch.setattr(verbs, "start_backend", lambda devices: None)


@pytest.mark.usefixtures("only_mixtures")
def test_the_table_and_exit_status_0(capsys):
    assert cli.main(["verify", "--size=small"]) == 0
    head, *rows, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["law", "predicted", "measured", "std.", "error", "z", "verdict"]
    assert rows[0] == "-- mixtures" and len(rows) == 3
    assert all(row.endswith("ok") and " 0.0367403 " in row for row in rows[1:])
    assert last.startswith("all 2 laws hold; largest |z| = 0.00, where 4.5 is the limit")


@pytest.mark.usefixtures("only_mixtures")
def test_a_law_that_fails_is_named_and_the_exit_status_1(capsys, monkeypatch):
    right = mixture.inner_product
    monkeypatch.setattr(mixture, "inner_product", lambda p, q: right(p, q) * 2 * np.pi)
    assert cli.main(["verify"]) == 1
    *rows, last = capsys.readouterr().out.splitlines()
    assert [row.rsplit(maxsplit=1)[1] for row in rows[2:]] == ["FAILS", "ok"]
    assert last.startswith("1 of 2 fail")


@pytest.mark.parametrize(("words", "sentence"), [
    (["verify", "--size=hughe"], "--size='hughe' is unknown: expected small, quick and large"),
    (["verify", "--sise=small"], "there is no flag --sise; did you mean '--size'?"),
    (["verify", "--workdir=x"], "verify takes no --workdir: it takes --size and --devices"),
    (["verify", "--config.chains=3"], "verify takes no --config.chains"),
])  # fmt: skip
def test_a_wrong_flag_is_answered_in_a_sentence(words, sentence, capsys):
    assert cli.main(words) == 2
    assert sentence in capsys.readouterr().err


def test_help(capsys):
    assert cli.main(["verify", "--help"]) == 0
    out = capsys.readouterr().out
    assert "how thorough: small, quick, large (default quick)" in out
    assert "exit status 1 if one fails" in " ".join(out.split())

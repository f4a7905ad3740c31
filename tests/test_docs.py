"""docs/results.md: its table is that of the code, its snippets run."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import ouroboros_jax as oj
from ouroboros_jax.metrics.names import DERIVED, NAMES, ONCE
from ouroboros_jax.registry import LEARNERS

PAGE = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES | ONCE | DERIVED)
def test_every_metric_is_explained(name):
    words = (NAMES | ONCE | DERIVED)[name]
    learners = [own for own, entry in LEARNERS.items() if name in (entry.metrics or ())]
    cells = f"`{name}`", words.long_name, words.units, ", ".join(words.dims), ", ".join(learners)
    assert f"| {' | '.join(cells)} |" in PAGE.splitlines()


def test_the_table_has_no_other_metrics():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == list(NAMES | ONCE | DERIVED)


def test_a_figure_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = {"chains": 5, "generations": 3, "num_samples": 20, "data.num_test": 0}
    run = oj.run(oj.load_config("gaussian", small), progress=False)
    (snippet,) = re.findall(r"```python\n(import matplotlib.*?)```", PAGE, re.DOTALL)
    exec(snippet, {"run": run})
    plt.close("all")
    assert Path("variance.pdf").stat().st_size > 1000

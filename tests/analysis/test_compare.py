"""Paired differences: a known effect, coverage, other settings kept apart, and what is refused."""

import numpy as np
import pytest

from ouroboros_jax.analysis.compare import compare
from ouroboros_jax.config import flatten, new_config
from ouroboros_jax.disk.dataset import assemble
from ouroboros_jax.errors import UserError
from ouroboros_jax.sweep import expand

pytestmark = pytest.mark.usefixtures("quick_compilation")

FRACTIONS = [0.0, 0.1, 0.5]
SETTING = "regime.real_fraction"


def made(sweep, *, effect, generations=3, chains=10, spread=1.0, noise=0.1, seed=0, **overrides):
    """Chains of equal seed and replicate share noise, and differ by `effect` of their settings."""
    config = new_config(
        learner="gaussian",
        regime="fresh",
        data="normal",
        sweep=sweep,
        chains=chains,
        generations=generations,
        **overrides,
    )
    groups = expand(config)
    parts = []
    for i, group in enumerate(groups):
        own = np.random.default_rng((seed, i))
        shared = np.stack(
            [
                np.random.default_rng((seed, s, r)).normal(size=generations + 1)
                for s, r in zip(group.seeds.tolist(), group.replicates.tolist(), strict=True)
            ]
        )
        settings = [
            {path: values[c] for path, values in group.coords.items()}
            for c in range(group.num_chains)
        ]
        change = np.array([effect(s) for s in settings])[:, None] * np.arange(generations + 1)
        values = change + spread * shared + noise * own.normal(size=shared.shape)
        parts.append(
            {
                "variance": values.T,
                "mean": np.stack([values.T, -values.T], -1),
                "status": np.zeros(values.T.shape, np.int8),
            }
        )
    return assemble(groups, parts, flatten(config), {})


def effect(settings):
    return settings[SETTING]


def test_a_paired_effect_is_found_where_unpaired_chains_hide_it():
    dataset = made({SETTING: FRACTIONS, "seed": 8}, effect=effect)
    found = compare(dataset, SETTING, "variance")
    table = found.table
    assert list(table.columns) == ["value", "difference", "low", "high", "num_pairs"]
    assert table["value"].tolist() == [0.1, 0.5] and table["num_pairs"].tolist() == [80, 80]
    error = 0.1 * np.sqrt(2 / 80)
    np.testing.assert_allclose(table["difference"], [0.3, 1.5], atol=5 * error)
    width = (table["high"] - table["low"]).to_numpy()
    np.testing.assert_allclose(width, 2 * 1.96 * error, rtol=0.3)
    values = {v: dataset["variance"].values[dataset[SETTING].values == v, -1] for v in FRACTIONS}
    unpaired = np.sqrt((values[0.0].var(ddof=1) + values[0.1].var(ddof=1)) / 80)
    assert (width < 2 * 1.96 * unpaired / 4).all()
    exact = (values[0.5] - values[0.0]).mean()
    assert table["difference"][1] == pytest.approx(exact)


def test_every_generation_and_any_baseline():
    dataset = made({SETTING: FRACTIONS}, effect=effect, chains=100)
    found = compare(dataset, SETTING, "variance", generation=1, baseline=0.5, level=0.8)
    assert found.generation == 1 and found.baseline == 0.5 and found.level == 0.8
    assert found.table["value"].tolist() == [0.0, 0.1]
    np.testing.assert_allclose(found.table["difference"], [-0.5, -0.4], atol=0.1)
    assert found.dataset.sizes == {"row": 2, "generation": 4}
    wider = compare(dataset, SETTING, "variance", generation=1, baseline=0.5, level=0.99)
    assert (wider.table["low"] < found.table["low"]).all()
    assert (wider.table["high"] > found.table["high"]).all()
    assert compare(dataset, SETTING, "variance", generation=-4).generation == 0


def test_the_bootstrap_is_repeatable_and_seeded():
    dataset = made({SETTING: FRACTIONS}, effect=effect)
    tables = [
        compare(dataset, SETTING, "variance", seed=seed, num_resamples=50).table
        for seed in (1, 1, 2)
    ]
    assert tables[0].equals(tables[1]) and not tables[0].equals(tables[2])
    assert tables[0]["difference"].equals(tables[2]["difference"])


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = []
    for seed in range(150):
        dataset = made({SETTING: [0.0, 0.5]}, effect=effect, chains=40, generations=1, seed=seed)
        row = compare(dataset, SETTING, "variance", level=0.9, num_resamples=300).table.iloc[0]
        covered.append(row["low"] <= 0.5 <= row["high"])
    assert abs(np.mean(covered) - 0.88) < 4 * np.sqrt(0.9 * 0.1 / 150)


def test_other_swept_settings_are_kept_apart():
    sweep = {SETTING: [0.0, 0.5], "num_samples": [10, 100], "learner.estimator": ["mle"]}
    dataset = made(
        sweep, effect=lambda s: s[SETTING] * (2 if s["num_samples"] == 10 else 1), chains=50
    )
    found = compare(dataset, SETTING, "variance")
    assert found.others == ["num_samples", "learner.estimator"]
    assert found.table["num_samples"].tolist() == [10, 100]
    np.testing.assert_allclose(found.table["difference"], [3.0, 1.5], atol=0.15)
    found = compare(dataset, "num_samples", "variance", baseline=100)
    np.testing.assert_allclose(found.table["difference"], [0, 1.5], atol=0.15)


def test_names_split_groups_and_are_compared_all_the_same():
    sweep = {"regime.name": ["replace", "accumulate"], "seed": 20}
    dataset = made(sweep, effect=lambda s: float(s["regime.name"] == "replace"))
    assert len(set(dataset["group"].values.tolist())) == 2
    found = compare(dataset, "regime.name", "variance")
    assert found.baseline == "replace" and found.table["value"].tolist() == ["accumulate"]
    assert found.table["num_pairs"].tolist() == [200]
    np.testing.assert_allclose(found.table["difference"], [-3], atol=0.1)


def test_axes_of_a_metric_become_rows():
    dataset = made({SETTING: [0.0, 0.5]}, effect=effect, **{"data.num_features": 2})
    table = compare(dataset, SETTING, "mean").table
    assert table["feature"].tolist() == [0, 1]
    np.testing.assert_allclose(table["difference"], [1.5, -1.5], atol=0.3)


def test_pairs_that_are_not_finite_are_left_out():
    dataset = made({SETTING: [0.0, 0.5]}, effect=effect)
    dataset["variance"][0, 3] = np.nan
    dataset["variance"][11:15, 3] = -np.inf
    found = compare(dataset, SETTING, "variance")
    assert found.dataset["num_pairs"].values.tolist() == [[10, 10, 10, 5]]
    assert np.isfinite(found.table["low"]).all()
    dataset["variance"][:9, 3] = np.nan
    one = compare(dataset, SETTING, "variance").table
    assert one["num_pairs"].tolist() == [1] and np.isnan(one["low"]).all()


def test_an_unfinished_run_is_compared_as_far_as_all_chains_are():
    dataset = made({SETTING: [0.0, 0.5]}, effect=effect)
    dataset["status"][:, 2:] = -1
    dataset["variance"][:, 2:] = np.nan
    assert compare(dataset, SETTING, "variance").generation == 1
    with pytest.raises(UserError, match="generation=3 is not there: expected 0 to 1"):
        compare(dataset, SETTING, "variance", generation=3)


def test_it_prints_and_survives_the_file(tmp_path):
    import xarray as xr

    from ouroboros_jax.disk.dataset import write

    schedules = {"num_samples": [10, "linear(10, 1)"], SETTING: [0.0, 0.5]}
    dataset = made(schedules, effect=effect)
    write(dataset, tmp_path / "metrics.nc")
    with xr.open_dataset(tmp_path / "metrics.nc") as stored:
        found = compare(stored, SETTING, "variance", baseline=0)
    text = repr(found)
    assert text.startswith("variance at generation 3: differences to regime.real_fraction = 0.0")
    assert "linear(10, 1)" in text and "95% bootstrap" in text and "num_pairs" in text
    assert "<table" in found._repr_html_()
    other = compare(dataset, "num_samples", "variance", baseline="linear(10, 1)")
    assert other.table["value"].tolist() == ["10", "10"]
    assert compare(dataset, "num_samples", "variance", baseline=10).baseline == "10"


@pytest.mark.parametrize("more", [{}, {"num_samples": [9, 99]}])
@pytest.mark.parametrize("generations", [0, 3])
def test_it_is_drawn(more, generations):
    from matplotlib.figure import Figure

    dataset = made({SETTING: FRACTIONS} | more, effect=effect, generations=generations)
    assert isinstance(compare(dataset, SETTING, "variance").plot(), Figure)


def test_mistakes_are_answered_in_a_sentence():
    dataset = made({SETTING: [0.0, 0.5], "num_samples": [10, 20]}, effect=effect, chains=2)

    def refused(*args, **kwargs):
        with pytest.raises(UserError) as error:
            compare(*args, **kwargs)
        assert str(error.value).count("\n") == 0
        return str(error.value)

    said = refused(dataset, "regime.real_fractoin", "variance")
    assert "regime.real_fraction and num_samples" in said and "did you mean" in said
    assert "was not swept" in refused(dataset, "seed", "variance")
    said = refused(dataset, SETTING, "varience")
    assert "expected variance and mean" in said and "did you mean 'variance'" in said
    assert "status" in refused(dataset, SETTING, "status")
    said = refused(dataset, SETTING, "variance", baseline=0.4)
    assert "baseline=0.4 is no value" in said and "0.0, 0.5" in said
    assert "level=95" in refused(dataset, SETTING, "variance", level=95)
    assert "num_resamples=0" in refused(dataset, SETTING, "variance", num_resamples=0)
    assert "0 to 3" in refused(dataset, SETTING, "variance", generation=-5)
    zipped = made(
        {SETTING: [0.0, 0.5], "num_samples": [10, 20]}, effect=effect, chains=2, sweep_mode="zip"
    )
    assert "num_samples changed with it" in refused(zipped, SETTING, "variance")
    seeds = made({SETTING: [0.0, 0.5], "seed": [1, 2]}, effect=effect, chains=2, sweep_mode="zip")
    assert "no chains to pair" in refused(seeds, SETTING, "variance")
    plain = made({"seed": 2}, effect=lambda s: 0.0, chains=2)
    assert "no sweep" in refused(plain, SETTING, "variance")

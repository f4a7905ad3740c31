"""Sweeps: which points share a program, in which order, and what is refused."""

import time

import numpy as np
import pytest

from ouroboros_jax.config import apply, load_config, new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import count_share
from ouroboros_jax.sweep import expand


def gaussian(**overrides):
    return new_config(learner="gaussian", regime="fresh", data="normal", **overrides)


def gmm(**overrides):
    return new_config(learner="gmm", regime="fresh", data="mixture", **overrides)


def values(group, path, generation=0):
    return group.columns[path].at(np.array([generation]))[:, 0].tolist()


def test_no_sweep_is_one_group():
    (group,) = expand(gmm(chains=3, seed=7))
    assert group.name == "" and group.num_chains == 3 and group.coords == {}
    assert group.seeds.tolist() == [7, 7, 7] and group.seeds.dtype == np.uint32
    assert group.replicates.tolist() == [0, 1, 2] and group.replicates.dtype == np.int32
    assert group.point["learner.components"] == 2 and "sweep" not in group.point
    assert set(group.columns) == {
        *("num_samples", "data.num_samples", "learner.tol", "learner.max_iter"),
        *("learner.reg_covar", "regime.real_fraction", "regime.real_weight", "sampler.bias"),
    }


def test_traced_settings_share_a_program_and_static_ones_do_not():
    sweep = {"regime.real_fraction": [0.1, 0.5], "learner.tol": [1e-3, 1e-4]}
    (group,) = expand(gmm(chains=2, sweep=sweep))
    assert group.coords["regime.real_fraction"] == [0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5]
    assert group.coords["learner.tol"] == [1e-3, 1e-3, 1e-4, 1e-4] * 2
    assert values(group, "learner.tol") == group.coords["learner.tol"]
    assert group.replicates.tolist() == [0, 1] * 4
    groups = expand(gmm(sweep=sweep | {"learner.components": [2, 3]}))
    assert [g.name for g in groups] == ["g000", "g001"]
    assert [g.point["learner.components"] for g in groups] == [2, 3]
    assert [g.num_chains for g in groups] == [4, 4]


def test_counts_are_traced_only_where_the_learner_takes_them():
    sweep = {"num_samples": [10, 20, 30]}
    (group,) = expand(gaussian(sweep=sweep))
    assert values(group, "num_samples") == [10, 20, 30]
    assert values(group, "data.num_samples") == [10, 20, 30], "by default as many as num_samples"
    assert len(expand(gaussian(sweep=sweep, **{"learner.draw": "samples"}))) == 3
    groups = expand(gmm(sweep=sweep))
    assert [values(g, "data.num_samples") for g in groups] == [[10], [20], [30]]
    schedules = {"num_samples": [10, [10, 20], "linear(10, 1)"]}
    assert len(expand(gmm(sweep=schedules))) == 3
    (group,) = expand(gaussian(sweep=schedules))
    assert values(group, "num_samples", 3) == [10, 20, 13]
    assert group.coords["num_samples"] == ["10", "[10, 20]", "linear(10, 1)"]


def test_draw_auto_follows_the_regime():
    sweep = {
        "regime.name": ["replace", "accumulate_subsample"],
        "num_samples": [10, 20],
        "learner.draw": ["auto"],
    }
    groups = expand(gaussian(sweep=sweep))
    assert [(g.point["regime.name"], g.num_chains) for g in groups] == [
        ("replace", 2),
        ("accumulate_subsample", 1),
        ("accumulate_subsample", 1),
    ]


def test_kazdan_is_one_program_per_dimension_and_regime_where_it_can_be():
    groups = expand(load_config("gaussian:kazdan"))
    assert sum(g.num_chains for g in groups) == 7500
    kinds = [(g.point["regime.name"], g.num_chains) for g in groups]
    assert kinds.count(("replace", 500)) == kinds.count(("accumulate", 500)) == 5
    assert kinds.count(("accumulate_subsample", 100)) == 25


def test_settings_of_other_regimes_do_not_split_groups():
    sweep = {"regime.name": ["replace", "window"], "regime.window": [2, 3]}
    groups = expand(gaussian(sweep=sweep))
    assert [(g.point["regime.name"], g.num_chains) for g in groups] == [
        ("replace", 2),
        ("window", 1),
        ("window", 1),
    ]


def test_seeds():
    (group,) = expand(gaussian(seed=5, chains=2, sweep={"seed": 3, "sampler.bias": [1, 0.9]}))
    assert group.seeds.tolist() == [5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7]
    assert values(group, "sampler.bias") == [1, 1, 0.9, 0.9] * 3
    assert set(group.coords) == {"sampler.bias"}
    (group,) = expand(gaussian(sweep={"seed": [9, 4]}))
    assert group.seeds.tolist() == [9, 4] and group.point["seed"] == 9


def test_a_point_of_a_grid_is_a_run_of_that_point_alone():
    grid = gaussian(chains=2, sweep={"seed": 2, "regime.real_fraction": [0.1, 0.35]})
    (group,) = expand(grid)
    place = 0
    for seed in (0, 1):
        for fraction in (0.1, 0.35):
            alone = apply(grid, {"sweep": {}, "seed": seed, "regime.real_fraction": fraction})
            (single,) = expand(alone)
            here = slice(place, place + 2)
            np.testing.assert_array_equal(group.seeds[here], single.seeds)
            np.testing.assert_array_equal(group.replicates[here], single.replicates)
            for path, column in single.columns.items():
                np.testing.assert_array_equal(
                    group.columns[path].at(np.arange(4))[here], column.at(np.arange(4)), path
                )
            place += 2


def test_zip():
    sweep = {"num_samples": [10, 20, 10], "regime.real_fraction": [0.1, 0.1, 0.2]}
    (group,) = expand(gaussian(sweep_mode="zip", sweep=sweep))
    assert group.coords["num_samples"] == [10, 20, 10]
    assert group.coords["regime.real_fraction"] == [0.1, 0.1, 0.2]
    sweep = {"learner.name": ["gaussian", "gmm", "gmm"], "num_samples": [10, 10, 20]}
    groups = expand(gaussian(sweep_mode="zip", sweep=sweep))
    assert [(g.point["learner.name"], g.point["num_samples"]) for g in groups] == [
        ("gaussian", 10),
        ("gmm", 10),
        ("gmm", 20),
    ]


def test_counts():
    sweep = {"regime.real_fraction": [0, 0.35, 1], "num_samples": [10, 15]}
    (group,) = expand(gaussian(sweep=sweep))
    counts = group.counts(np.arange(4, 9))
    assert {count.shape for count in counts.values()} == {(6, 1)}
    assert {count.dtype for count in counts.values()} == {np.dtype(np.int32)}
    assert counts["num_samples"].ravel().tolist() == [10, 15] * 3
    assert counts["num_real"].ravel().tolist() == [0, 0, 4, 5, 10, 15]
    assert counts["num_data"].ravel().tolist() == [10, 15] * 3
    (group,) = expand(gaussian(sweep=sweep, **{"regime.name": "replace"}))
    assert group.counts(np.arange(3))["num_real"].tolist() == [[0]] * 6


def test_counts_of_schedules():
    config = gaussian(
        sweep={"num_samples": ["linear(10, 5)", 40]},
        **{"regime.real_fraction": [0.5, 0.25], "data.num_samples": 7},
    )
    (group,) = expand(config)
    counts = group.counts(np.arange(1, 4))
    assert counts["num_samples"].tolist() == [[15, 20, 25], [40, 40, 40]]
    assert counts["num_real"].tolist() == [[4, 5, 6], [10, 10, 10]]
    assert counts["num_data"].tolist() == [[7], [7]]
    shares = [[count_share(0.25, n) for n in row] for row in counts["num_samples"].tolist()]
    assert counts["num_real"].tolist() == shares


def test_segments_agree_with_the_whole():
    (group,) = expand(gaussian(num_samples="geometric(100, 0.99)"))
    whole = group.counts(np.arange(60))
    parts = [group.counts(np.arange(start, start + 20)) for start in (0, 20, 40)]
    for name in ("num_samples", "num_real"):
        np.testing.assert_array_equal(whole[name], np.concatenate([p[name] for p in parts], 1))


def test_golden_weight_is_each_chains_own():
    config = gaussian(
        num_samples=30,
        sweep={"regime.real_fraction": [0.5, 2 / 3], "regime.real_weight": ["golden", 0.25]},
        **{"regime.name": "weighted"},
    )
    (group,) = expand(config)
    expected = [0.6180340, 0.25, 0.7320508, 0.25]
    np.testing.assert_allclose(values(group, "regime.real_weight"), expected, rtol=1e-6)
    assert group.coords["regime.real_weight"] == ["golden", "0.25"] * 2
    assert group.columns["regime.real_weight"].is_constant


def test_columns_mix_constants_and_schedules():
    sweep = {"sampler.bias": [1, "linear(1, -0.1)", [0.5, 0.25]]}
    (group,) = expand(gaussian(generations=5, sweep=sweep))
    column = group.columns["sampler.bias"]
    assert not column.is_constant and group.columns["data.std"].is_constant
    np.testing.assert_allclose(
        column.at(np.arange(3)), [[1, 1, 1], [1, 0.9, 0.8], [0.5, 0.25, 0.25]]
    )


REFUSED = [
    ({"sweep": {"learner.x": [1]}}, "sweep: 'learner.x' is not a setting of the learner 'gmm'"),
    ({"sweep": {"num_sample": [9]}}, r"no setting 'num_sample'; did you mean 'num_samples'\?"),
    ({"sweep": {"num_samples": []}}, "the list of num_samples is empty: expected at least one"),
    ({"sweep": {"num_samples": 5}}, "sweep: num_samples=5 is not a list of values"),
    ({"sweep": {"num_samples": [10, 10]}}, "the list of num_samples holds 10 twice"),
    ({"sweep": {"num_samples": [10, 1]}}, "num_samples=1 is out of range"),
    ({"sweep": {"num_samples": [10, -4]}}, "num_samples=-4 is out of range"),
    ({"sweep": {"num_samples": [10], "learner.components": [2, 20]}}, "num_samples=10 is too few"),
    ({"sweep": {"seed": 0}}, "sweep: seed=0 is not a number of seeds of at least 1"),
    ({"sweep": {"seed": 2}, "seed": 2**32 - 1}, "seed=4294967296 is out of range"),
    ({"sweep": {"generations": [1, 2]}}, "sweep over 'generations': a run has one value of it"),
    ({"sweep": {"sweep": [{}]}}, "sweep over 'sweep'"),
    (
        {"sweep": {"num_samples": [10, 20], "seed": 3}, "sweep_mode": "zip"},
        "sweep_mode='zip' needs lists of one length, not num_samples 2, seed 3",
    ),
    (
        {"sweep": {"seed": 10_000_000}},
        "the sweep has 10,000,000 combinations, more than sweep_limit=100,000: shorten it, or raise"
        " the limit with --config.sweep_limit=10000000",
    ),
    (
        {"sweep": {"learner.name": ["gmm", "gaussian"], "learner.components": [2]}},
        "sweep: 'learner.components' is not a setting of the learner 'gaussian'",
    ),
    ({"sweep": {"regime.name": ["replace", "reply"]}}, "regime.name='reply' is unknown"),
]


@pytest.mark.parametrize(("overrides", "sentence"), REFUSED)
def test_refusals(overrides, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        expand(load_config("gmm", overrides))
    assert "\n" not in str(caught.value)


def test_a_bad_pairing_anywhere_in_the_grid_is_refused():
    sweep = {"regime.name": ["replace", "accumulate_subsample"]}
    config = gaussian(sweep=sweep, **{"learner.draw": "sufficient"})
    with pytest.raises(UserError, match=r"learner.draw='sufficient' cannot be exact"):
        expand(config)


def test_what_a_caller_does_to_a_group_is_its_own():
    config = gaussian(sweep={"num_samples": [5, 6]})
    (group,) = expand(config)
    group.point.clear()
    group.coords.clear()
    (again,) = expand(config)
    assert again.point["num_samples"] == 5 and list(again.coords) == ["num_samples"]


def test_forty_thousand_points_expand_at_once():
    """In ten times what four thousand take, or less; going over all of them for each takes 100."""

    def expanded(num, seed=0):
        fractions = {"regime.real_fraction": np.arange(200) / 200}
        config = gaussian(seed=seed, sweep=fractions | {"num_samples": range(10, 10 + num)})
        start = time.process_time()
        (group,) = expand(config)
        group.counts(np.arange(100))
        return group, time.process_time() - start

    few = min(expanded(20, seed)[1] for seed in range(3))
    group, many = expanded(200)
    assert many < 40 * few
    assert group.num_chains == 40_000
    sums = group.columns["regime.real_fraction"].at(np.arange(1)).sum()
    np.testing.assert_allclose(sums, 200 * np.sum(np.arange(200) / 200))

"""The chains axis: blocks, padding, devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.metrics.roots import is_any
from ouroboros_jax.vectorize import (
    all_in_place,
    choose_block,
    compiler_options,
    each_in_place,
    make_layout,
    over_block,
    over_chains,
)


@pytest.mark.parametrize(("chains", "block"), [(1, 1), (1, 4), (5, 1), (5, 2), (7, 3), (8, 8)])
def test_split_and_join_are_inverse(chains, block):
    layout = make_layout(chains, block)
    tree = {"a": np.arange(chains), "b": np.random.default_rng(0).random((chains, 3, 2))}
    split = layout.split(tree)
    assert split["b"].shape == (layout.num_blocks, block, 3, 2)
    assert layout.num_blocks % layout.mesh.devices.size == 0
    jax.tree.map(np.testing.assert_array_equal, layout.join(split), jax.tree.map(np.float32, tree))
    keys = jax.random.split(jax.random.key(0), chains)
    again = layout.split(keys).reshape(-1)[:chains]
    np.testing.assert_array_equal(jax.random.key_data(again), jax.random.key_data(keys))


def test_padding_repeats_the_last_chain():
    layout = make_layout(3, 2)
    np.testing.assert_array_equal(layout.split(np.arange(3)).reshape(-1)[:4], [0, 1, 2, 2])


def test_all_devices_or_those_that_are_named():
    assert make_layout(1, 4).mesh.devices.size == len(jax.local_devices())
    assert make_layout(4, 1, jax.devices()[:1]).mesh.devices.size == 1


def test_whether_any_chain_of_a_block_is_so():
    """One answer for the block, in however many blocks it lies."""
    there = np.array([[False, False], [False, True]])
    assert not is_any(False) and is_any(True)
    for num, of in ((1, there[0]), (1, there[1]), (2, there)):
        over, out = is_any, {"out_axes": None}
        for _ in range(num):
            over = jax.vmap(over, **out)
        assert over(of).shape == () and over(of) == of.any()
        assert jax.vmap(is_any)(of.ravel()).tolist() == [of.any()] * of.size


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is one way to compile elsewhere")
@pytest.mark.parametrize("put_together", [all_in_place, each_in_place])
def test_only_a_quick_layout_is_compiled_otherwise(put_together, monkeypatch):
    told = []
    jit = jax.jit

    def watched(function, **options):
        told.append(options.pop("compiler_options"))
        return jit(function, **options)

    assert compiler_options(True) != {} == compiler_options(False)
    for quick in (False, True):
        layout = make_layout(3, 2, quick=quick)
        monkeypatch.setattr(jax, "jit", watched)
        put_together(lambda state, rest, shared: (state, rest), layout)
        monkeypatch.undo()
        assert told and all(options == compiler_options(quick) for options in told)
        told.clear()


def test_join_segment_puts_generations_first():
    layout = make_layout(3, 2)
    split = np.arange(2 * 5 * 2).reshape(2, 5, 2)  # [P, L, B]
    joined = layout.join_segment(split, 4)
    assert joined.shape == (4, 3)
    np.testing.assert_array_equal(joined[1], [2, 3, 12])


@pytest.mark.parametrize(("chains", "block"), [(5, 1), (5, 2), (6, 6)])
def test_over_chains_is_a_loop_over_chains(chains, block, compilations):
    layout = make_layout(chains, block)

    def one(x, y):
        return jax.lax.while_loop(lambda v: v < 10, lambda v: v + y, x)

    def function(state, args, shared):
        return over_block(one, block)(state, args["y"]) * shared["scale"]

    compiled = over_chains(function, layout)
    x, y = np.arange(chains, dtype=np.float32), np.arange(1, chains + 1, dtype=np.float32)
    shapes = compiled.compile(layout.split(x), {"y": layout.split(y)}, {"scale": jnp.float32(2)})
    compilations.clear()
    found = compiled.call(layout.split(x), {"y": layout.split(y)}, {"scale": jnp.float32(2)})
    assert not compilations
    assert (shapes.shape, shapes.dtype, shapes.sharding) == (
        found.shape,
        found.dtype,
        found.sharding,
    )
    expected = []
    for a, b in zip(x, y, strict=True):
        while a < 10:
            a += b
        expected.append(2 * a)
    np.testing.assert_array_equal(layout.join(found), expected)


@pytest.mark.parametrize(
    ("backend", "cpu_block", "num_floats", "chains", "block"),
    [
        ("cpu", 1024, 3, 10, 1024),  # it does not depend on the number of chains
        ("cpu", 1024, 100, 5000, 163),
        ("cpu", 1024, 10**6, 5000, 1),
        ("cpu", 1, 3, 5000, 1),
    ],
)
def test_choose_block(backend, cpu_block, num_floats, chains, block):
    assert choose_block(backend, cpu_block, num_floats, chains) == block


def test_an_accelerator_takes_all_its_chains_at_once():
    devices = jax.local_device_count()
    assert choose_block("gpu", 1, 3, 5000) == -(-5000 // devices)


@pytest.mark.parametrize("over", [all_in_place, each_in_place])
@pytest.mark.parametrize(("chains", "block"), [(1, 1), (2, 1), (5, 1), (5, 2)])
def test_in_place_it_is_a_loop_over_chains_that_gives_the_state_away(chains, block, over):
    layout = make_layout(chains, block)

    def function(state, args, shared):
        def one(x, y):
            return {"x": x + y * shared["scale"]}, {"was": x}

        return over_block(lambda state, y: one(state["x"], y), block)(state, args["y"])

    x, y = np.arange(chains, dtype=np.float32), np.arange(1, chains + 1, dtype=np.float32)
    state, args = {"x": layout.split(x)}, {"y": layout.split(y)}
    compiled = over(function, layout)
    for i in range(2):
        given, (state, out) = state, compiled.call(state, args, {"scale": jnp.float32(2)})
        assert given["x"].is_deleted()
        np.testing.assert_array_equal(layout.join(out)["was"], x + 2 * y * i)
    np.testing.assert_array_equal(layout.join(state)["x"], x + 4 * y)

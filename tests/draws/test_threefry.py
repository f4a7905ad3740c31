"""Keys, words and the numbers made of them are JAX's to the bit, whoever writes the cipher out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax import keys
from ouroboros_jax.draws import threefry
from ouroboros_jax.draws.numbers import normals, unit_uniforms

KEYS = keys.new_key(3), jax.random.split(keys.new_key(0), 2)[1]


def same_keys(ours, theirs):
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(jax.random.key_data(ours), jax.random.key_data(theirs))


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("number", [0, 7, 2**31 + 5, 2**32 - 1, jnp.int32(9), jnp.int32(-1)])
def test_fold_in(number, is_wide):
    with jax.enable_x64(is_wide):
        for key in KEYS:
            same_keys(threefry.fold_in(key, number), jax.random.fold_in(key, number))


@pytest.mark.parametrize("num", [1, 2, 5])
def test_split(num):
    for key in KEYS:
        same_keys(threefry.split(key, num), jax.random.split(key, num))
    many = jax.vmap(threefry.fold_in, (None, 0))(key, jnp.arange(num))
    same_keys(many, jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num)))


@pytest.mark.parametrize("num", [1, 2, 7, 1000])
def test_words_are_the_data_of_split_keys(num):
    theirs = jax.random.key_data(jax.random.split(KEYS[0], num)).reshape(-1)[:num]
    np.testing.assert_array_equal(threefry.words(KEYS[0], num), theirs)


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("shape", [(1,), (7,), (40, 25), (100_001,)])
def test_numbers(shape, is_wide):
    size = math.prod(shape)
    with jax.enable_x64(is_wide):
        for key in KEYS:
            for width, dtype in ((32, jnp.uint32), (64, jnp.uint64))[: 1 + is_wide]:
                ours = jax.jit(threefry.bits, static_argnums=(1, 2))(key, size, width)
                np.testing.assert_array_equal(ours, jax.random.bits(key, (size,), dtype))
            for ours, theirs in (
                (unit_uniforms, jax.random.uniform),
                (normals, jax.random.normal),
            ):
                found = jax.jit(ours, static_argnums=1)(key, shape)
                assert found.dtype == jnp.result_type(float)
                np.testing.assert_array_equal(found, theirs(key, shape))


def test_a_key_used_twice_is_still_seen(key_reuse):
    """Where JAX follows keys they go through its own functions."""
    with pytest.raises(jax.errors.KeyReuseError):
        jax.jit(lambda key: threefry.bits(key, 3) + threefry.bits(key, 3))(KEYS[0])

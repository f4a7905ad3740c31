"""The chains axis: blocks of `vmap`, mapped over blocks, sharded over the local devices.

On a CPU a vmapped `while_loop` runs until its slowest chain converges, so learners that iterate
until convergence want one chain a block and one block at a time on each core; closed-form learners
want wide blocks; a GPU wants the widest possible. The bits of a chain depend on the width of its
block, which is part of a run's identity. Its last bits also depend on whether there is more than
one device (a resumed run warns of that), but never on the number of other chains.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def choose_block(backend: str, cpu_block: int, num_floats: int, num_chains: int) -> int:
    """Chains that share one vmapped call, for `chain_block = "auto"`.

    On a CPU, `cpu_block` is what the learner asks for, and fewer if a chain's state of `num_floats`
    numbers is large; it does not depend on the number of chains. On an accelerator, all chains of a
    device go into one block.
    """
    if backend == "cpu":
        return int(np.clip(16384 // max(num_floats, 1), 1, cpu_block))
    return -(-num_chains // jax.local_device_count())


def lapack_on_one_thread(layout: "Layout") -> contextlib.AbstractContextManager:
    """A context in which LAPACK uses one thread, for runs on several CPU devices: each device calls
    LAPACK on its own core, and extra threads compete and make a call three times as slow."""
    if jax.default_backend() != "cpu" or layout.mesh.devices.size == 1:
        return contextlib.nullcontext()
    import scipy.linalg  # noqa: F401  # jax's LAPACK, for threadpoolctl to find
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


class Layout(NamedTuple):
    """How C chains lie on the devices: `[P, B, ...]`, P blocks (padded) of B chains."""

    num_chains: int
    block: int
    mesh: Mesh
    quick: bool = False  # whether programs are compiled quickly, see `compiler_options`

    @property
    def num_blocks(self) -> int:
        """Blocks after padding to a multiple of the devices."""
        blocks = -(-self.num_chains // self.block)
        devices = self.mesh.devices.size
        return -(-blocks // devices) * devices

    def split(self, tree: Any) -> Any:
        """Arrays `[C, ...]` as `[P, B, ...]` on the devices; padding repeats the last chain."""
        total = self.num_blocks * self.block
        index = np.minimum(np.arange(total), self.num_chains - 1)
        sharding = NamedSharding(self.mesh, PartitionSpec("chain"))

        def split_leaf(a):
            if jnp.issubdtype(getattr(a, "dtype", None), jax.dtypes.prng_key):
                data = split_leaf(jax.random.key_data(a))
                return jax.random.wrap_key_data(data, impl=jax.random.key_impl(a))
            a = np.asarray(a)[index]
            return jax.device_put(a.reshape(self.num_blocks, self.block, *a.shape[1:]), sharding)

        return jax.tree.map(split_leaf, tree)

    def everywhere(self, tree: Any) -> Any:
        """Arrays that all chains share, on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def join(self, tree: Any) -> Any:
        """Device arrays `[P, B, ...]` as host arrays `[C, ...]`."""
        return jax.tree.map(
            lambda a: np.asarray(a).reshape(-1, *a.shape[2:])[: self.num_chains], tree
        )

    def join_segment(self, tree: Any, num: int) -> Any:
        """Device arrays `[P, L, B, ...]` as host arrays `[num, C, ...]`, generations first."""

        def join_leaf(a):
            a = np.moveaxis(np.asarray(a)[:, :num], 1, 0)
            return a.reshape(num, -1, *a.shape[3:])[:, : self.num_chains]

        return jax.tree.map(join_leaf, tree)


def make_layout(num_chains: int, block: int, devices=None, quick: bool = False) -> Layout:
    """A layout over all local devices, even if there are fewer blocks: XLA compiles differently for
    one device than for several, and a chain's bits should not depend on how many others there
    are."""
    mesh = Mesh(np.array(devices or jax.local_devices()), ("chain",))
    return Layout(num_chains, block, mesh, quick)


@functools.cache
def compiler_options(quick: bool) -> dict[str, bool]:
    """XLA compiler options; they affect the last bits.

    XLA has two ways to emit the loops of a CPU program. The newer is set up once for each loop, and
    a chain has hundreds of small ones: with the older a program takes half as long to compile, and
    up to twice as long to run where it takes sums and maxima along short rows.
    """
    options = {"xla_cpu_use_fusion_emitters": False}
    if not quick or jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: jnp.int32(0), compiler_options=options)()
    except jax.errors.JaxRuntimeError:  # an XLA without the option
        return {}
    return options


def over_block(function: Callable, block: int) -> Callable:
    """`function` of one chain's arguments, over `[B, ...]`; without `vmap` if B is 1, so that
    branches and loops stay real ones."""
    if block > 1:
        return jax.vmap(function)

    def single(*args):
        out = function(*jax.tree.map(lambda a: a[0], args))
        return jax.tree.map(lambda a: a[None], out)

    return single


class Compiled(NamedTuple):
    """A function of a block's `(state, rest, shared)`, over all chains."""

    call: Callable
    # Takes the same arguments, or their shapes, and returns the shapes of the results without
    # running: a later call reuses what was compiled. None if only a call compiles.
    compile: Callable | None = None


def over_chains(function: Callable, layout: Layout) -> Compiled:
    """`function(state, rest, shared)` of one block `[B, ...]`, mapped over `[P, B, ...]`.

    Blocks run one after another on each device, devices at the same time; `shared` is the same for
    all. Nothing is donated: an interrupted call leaves the state before it intact.
    """

    def giving_nothing(given, rest, shared):
        return given, function(*rest, shared)

    compiled = all_in_place(giving_nothing, layout)

    return Compiled(
        lambda state, rest, shared: compiled.call((), (state, rest), shared)[1],
        lambda state, rest, shared: compiled.compile((), (state, rest), shared)[1],
    )


def all_in_place(function: Callable, layout: Layout) -> Compiled:
    """`function(given, rest, shared) -> (given, out)` of one block, mapped as by `over_chains`.

    `given` is donated and replaced block by block: for states that do not fit into memory twice, or
    are slow to copy. An interrupted call loses it.
    """

    def local(given, rest, shared, num_blocks):
        def block(given, i):
            return jax.tree.map(
                lambda a: jax.lax.dynamic_index_in_dim(a, i, 0, False), (given, rest)
            )

        def body(i, carry):
            new = function(*block(carry[0], i), shared)
            return jax.tree.map(
                lambda a, b: jax.lax.dynamic_update_index_in_dim(a, b, i, 0), carry, new
            )

        # A loop of a traced number of turns: XLA cannot unroll or specialise it, so that a chain's
        # bits do not depend on how many other blocks its device has.
        total = jax.tree.leaves(rest)[0].shape[0]
        shapes = jax.eval_shape(lambda: function(*block(given, 0), shared)[1])
        out = jax.tree.map(lambda a: jnp.zeros((total, *a.shape), a.dtype), shapes)
        return jax.lax.fori_loop(0, num_blocks, body, (given, out))

    chains, everywhere = PartitionSpec("chain"), PartitionSpec()
    sharded = jax.shard_map(
        local,
        mesh=layout.mesh,
        in_specs=(chains, chains, everywhere, everywhere),
        out_specs=chains,
        check_vma=False,
    )
    # Stated explicitly: left to itself, XLA describes the same sharding in several ways, each of
    # which triggers a recompilation.
    sharding = NamedSharding(layout.mesh, chains)
    options = compiler_options(layout.quick)
    compiled = jax.jit(sharded, donate_argnums=0, out_shardings=sharding, compiler_options=options)
    num_blocks = np.int32(layout.num_blocks // layout.mesh.devices.size)

    def call(given, rest, shared):
        return compiled(given, rest, shared, num_blocks)

    def compile_only(given, rest, shared):
        lowered = compiled.lower(given, rest, shared, num_blocks)
        lowered.compile()
        return jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), lowered.out_info
        )

    return Compiled(call, compile_only)


def each_in_place(function: Callable, layout: Layout) -> Compiled:
    """As `all_in_place`, with a call from the host for each block of a device, so that one block's
    state is not held twice either. `out` comes back on the host.
    """
    num_blocks = layout.num_blocks // layout.mesh.devices.size

    def step(state, rest, shared):
        out = function(*jax.tree.map(lambda a: a[0], (state, rest)), shared)
        return jax.tree.map(lambda a: a[None], out)

    def take(tree, i):
        return jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, i, 1), tree)

    def put(tree, new, i):
        update = jax.lax.dynamic_update_slice_in_dim
        return jax.tree.map(lambda a, b: update(a, b, i, 0), tree, new)

    def over_devices(local, num_sharded, **options):
        chains, everywhere = PartitionSpec("chain"), PartitionSpec()
        sharded = jax.shard_map(
            local,
            mesh=layout.mesh,
            in_specs=(*(chains,) * num_sharded, everywhere),
            out_specs=chains,
            check_vma=False,
        )
        return jax.jit(sharded, **options, compiler_options=compiler_options(layout.quick))

    step_all = over_devices(step, 2, donate_argnums=0)
    take_all, put_all = over_devices(take, 1), over_devices(put, 2, donate_argnums=0)

    def call(state, rest, shared):
        if num_blocks == 1:
            state, out = step_all(state, rest, shared)
            return state, jax.tree.map(np.asarray, out)
        outs = []
        for i in np.arange(num_blocks, dtype=np.int32):
            new, out = step_all(*take_all((state, rest), i), shared)
            state = put_all(state, new, i)
            outs.append(jax.tree.map(np.asarray, out))
        return state, jax.tree.map(
            lambda *parts: np.stack(parts, 1).reshape(-1, *parts[0].shape[1:]), *outs
        )

    return Compiled(call)

"""Stacks of 4 x 4 convolutions of stride 2, and of their transposes, in two implementations.

`lax` is XLA's convolution. On a CPU its gradient is slow inside a loop, and under `vmap` it becomes
a grouped one, so `matmul` uses matrix products only. It puts positions before images and channels,
[rows * columns, N, C], and holds the pixels that a layer reads as *blocks* of 2 x 2 with a margin
of one pixel, [I * J, N, 4 C]: a 4 x 4 convolution of stride 2 is then a 2 x 2 one of stride 1 on
blocks. Toom and Cook's algorithm (Winograd's, for convolutional networks) computes four rows of
that from five products instead of eight, and likewise for columns: for a 14 x 14 image, 81 products
of [N, 4 C] x [4 C, O] instead of 196. A transposed convolution is the transpose of this linear map.
Images themselves have few channels; their layers are one product of patches.

Kernels are [4, 4, C, O] as `nn.Conv` and `nn.ConvTranspose` have them, activations [N, H, W, C].

References:
  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016 (arXiv 1509.09308).
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Layer = tuple[jax.Array, jax.Array]  # kernel and bias
# Interpolation points (infinity is always added); of four rows, the least in rounding error.
POINTS = {1: (0.0,), 2: (0.0, -1.0), 3: (0.0, 1.0, -1.0), 4: (0.0, 1.0, -0.5, -2.0)}
REGION = 6  # rows of pixels that a block of 2 x 2 outputs depends on


class Implementation(NamedTuple):
    """One way to compute a stack.

    `down(x, layers)` halves H and W of [N, H, W, C] once per layer, with a ReLU after each;
    `up(x, layers)` doubles them, with a ReLU between layers and none after the last.
    """

    down: Callable[[jax.Array, Sequence[Layer]], jax.Array]
    up: Callable[[jax.Array, Sequence[Layer]], jax.Array]


def choose(conv_impl: str) -> Implementation:
    """The implementation of that name; for `auto`, the one that suits the backend."""
    if conv_impl == "auto":
        conv_impl = "matmul" if jax.default_backend() == "cpu" else "lax"
    return IMPLEMENTATIONS[conv_impl]


# XLA's convolutions


def _lax_down(x, layers):
    for kernel, bias in layers:
        sizes = {"window_strides": (2, 2), "padding": ((1, 1), (1, 1))}
        x = lax.conv_general_dilated(x, kernel, **sizes, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + bias[None, None, None])
    return x


def _lax_up(x, layers):
    for i, (kernel, bias) in enumerate(layers):
        x = jax.nn.relu(x) if i else x
        x = lax.conv_transpose(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = x + bias[None, None, None]
    return x


# Matrix products


def _matmul_down(x, layers):
    (kernel, bias), *rest = layers
    size = x.shape[1] // 2, x.shape[2] // 2
    # The margin of blocks, which lies beyond the image, has to be 0.
    blocks = jax.nn.relu(_first(x, kernel) + jnp.tile(bias, 4)[None, None])
    blocks = blocks * _inside(size, blocks)
    pixels = None if rest else _to_pixels(blocks, size)
    for kernel, bias in rest:
        if pixels is not None:
            blocks = _to_blocks(pixels, size)
        size = size[0] // 2, size[1] // 2
        pixels = jax.nn.relu(_conv(blocks, kernel, size) + bias[None, None])
    return pixels.reshape(*size, *pixels.shape[1:]).transpose(2, 0, 1, 3)


def _matmul_up(x, layers):
    *rest, (last, last_bias) = layers
    size = x.shape[1:3]
    pixels = x.transpose(1, 2, 0, 3).reshape(-1, x.shape[0], x.shape[3])
    blocks = None if rest else _to_blocks(pixels, size)
    for kernel, bias in rest:
        if blocks is not None:
            pixels = _to_pixels(blocks, size)
        blocks = _conv_transpose(pixels, kernel, size) + jnp.tile(bias, 4)[None, None]
        size = 2 * size[0], 2 * size[1]
        blocks = jax.nn.relu(blocks) * _inside(size, blocks)
    return _last(blocks, last, size) + last_bias[None, None, None]


IMPLEMENTATIONS = {
    "lax": Implementation(_lax_down, _lax_up),
    "matmul": Implementation(_matmul_down, _matmul_up),
}


def _conv(blocks: jax.Array, kernel: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Blocks [I * J, N, 4 C] of an image of twice `size` to pixels [n * m, N, O]."""
    collect, of_kernel, spread = _products(size, blocks.dtype)
    spread = _matmul(spread, blocks)
    points, turned = _kernel_points(kernel, of_kernel)
    return _matmul(collect, _times(spread, points, turned))


def _conv_transpose(pixels: jax.Array, kernel: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Pixels [n * m, N, C] to blocks [I * J, N, 4 O] of an image of twice `size`.

    The margin holds the output beyond the image.
    """
    collect, of_kernel, spread = _products(size, pixels.dtype)
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # the kernel of the transposed convolution
    products = _matmul(collect.T, pixels)
    points, turned = _kernel_points(turned, of_kernel)
    return _matmul(spread.T, _times(products, turned, points))


def _first(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of an image [N, H, W, C] of few channels to blocks [I * J, N, 4 O]."""
    n, height, width, channels = x.shape
    rows, columns = _num_blocks(height // 2), _num_blocks(width // 2)
    after = 4 * rows - 1 - height, 4 * columns - 1 - width
    padded = jnp.pad(x.transpose(3, 1, 2, 0), ((0, 0), (3, after[0]), (3, after[1]), (0, 0)))
    # Patches: each offset within a region, for all blocks at once, [6 * 6 * C, I * J * N].
    patches = [
        padded[:, r : r + 4 * rows - 3 : 4, c : c + 4 * columns - 3 : 4]
        for r in range(REGION)
        for c in range(REGION)
    ]
    patches = jnp.stack(patches).reshape(REGION**2 * channels, -1)
    blocks = lax.dot_general(patches, _regional(kernel), (((0,), (0,)), ((), ())))
    return blocks.reshape(rows * columns, n, -1)


def _last(blocks: jax.Array, kernel: jax.Array, size: tuple[int, int]) -> jax.Array:
    """A transposed convolution of blocks [I * J, N, 4 C] to an image [N, 2 n, 2 m, O]."""
    rows, columns = (_num_blocks(length) for length in size)
    num, channels = blocks.shape[1], kernel.shape[-1]
    weights = _regional(kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    regions = blocks.reshape(-1, blocks.shape[-1]) @ weights.T
    regions = regions.reshape(rows, columns, num, REGION, REGION, channels)
    regions = regions.transpose(2, 0, 3, 1, 4, 5)
    # Regions of 6 x 6 every 4 pixels overlap by 2.
    image = _overlapped(_overlapped(regions, 1), 3)
    image = image.reshape(num, 4 * rows + 4, 4 * columns + 4, channels)
    return image[:, 3 : 3 + 2 * size[0], 3 : 3 + 2 * size[1]]


def _overlapped(regions: jax.Array, axis: int) -> jax.Array:
    """[..., I, 6, ...] overlap-added with a stride of 4, as [..., I + 1, 4, ...]."""
    own, after = jnp.split(regions, [4], axis + 1)

    def pad(a, before, behind, more):
        widths = [(0, 0)] * a.ndim
        widths[axis], widths[axis + 1] = (before, behind), (0, more)
        return jnp.pad(a, widths)

    return pad(own, 0, 1, 0) + pad(after, 1, 0, 2)


def _regional(kernel: jax.Array) -> jax.Array:
    """A kernel [4, 4, C, O] from regions of 6 x 6 pixels to blocks of 2 x 2, [36 C, 4 O]."""
    channels, features = kernel.shape[2:]
    places = np.zeros((REGION, REGION, 2, 2, 4, 4), kernel.dtype)
    for p, q, k, j in np.ndindex(2, 2, 4, 4):
        places[2 * p + k, 2 * q + j, p, q, k, j] = 1
    places = jnp.asarray(places.reshape(REGION**2 * 4, 16))
    weights = places @ kernel.reshape(16, -1)
    weights = weights.reshape(REGION**2, 4, channels, features).transpose(0, 2, 1, 3)
    return weights.reshape(REGION**2 * channels, 4 * features)


def _to_blocks(pixels: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Pixels [n * m, N, C] as blocks [I * J, N, 4 C], with the margin of zeros."""
    rows, columns = (_num_blocks(length) for length in size)
    num, channels = pixels.shape[1:]
    after = 2 * rows - 1 - size[0], 2 * columns - 1 - size[1]
    pixels = pixels.reshape(*size, num, channels)
    pixels = jnp.pad(pixels, ((1, after[0]), (1, after[1]), (0, 0), (0, 0)))
    pixels = pixels.reshape(rows, 2, columns, 2, num, channels).transpose(0, 2, 4, 1, 3, 5)
    return pixels.reshape(rows * columns, num, 4 * channels)


def _to_pixels(blocks: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The inverse of `_to_blocks`; drops the margin."""
    rows, columns = (_num_blocks(length) for length in size)
    num, channels = blocks.shape[1], blocks.shape[2] // 4
    pixels = blocks.reshape(rows, columns, num, 2, 2, channels).transpose(0, 3, 1, 4, 2, 5)
    pixels = pixels.reshape(2 * rows, 2 * columns, num, channels)
    pixels = pixels[1 : 1 + size[0], 1 : 1 + size[1]]
    return pixels.reshape(-1, num, channels)


def _matmul(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    """A constant matrix times positions: [A, B] and [B, N, C] to [A, N, C]."""
    return (jnp.asarray(matrix) @ x.reshape(x.shape[0], -1)).reshape(-1, *x.shape[1:])


@jax.custom_vjp
def _times(x: jax.Array, kernels: jax.Array, turned: jax.Array) -> jax.Array:
    """Products of [U, N, A] with kernels [U, A, B]; `turned` [U, B, A] is their transpose for the
    backward pass, precomputed because XLA multiplies by a transposed matrix more slowly on a CPU.

    With a transposed matrix a product takes XLA longer on a CPU.
    """
    del turned
    return jnp.einsum("una,uab->unb", x, kernels)


def _times_forward(x, kernels, turned):
    return _times(x, kernels, turned), (x, turned)


def _times_backward(saved, gradient):
    x, turned = saved
    of_kernels = jnp.einsum("una,unb->uab", x, gradient)
    return jnp.einsum("unb,uba->una", gradient, turned), of_kernels, None


_times.defvjp(_times_forward, _times_backward)


def _kernel_points(kernel: jax.Array, of_kernel: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """A kernel [4, 4, C, O] at every product's point, [U, 4 C, O], and turned, [U, O, 4 C]."""
    channels, features = kernel.shape[2:]
    taps = kernel.reshape(2, 2, 2, 2, channels, features).transpose(0, 2, 1, 3, 4, 5)
    taps = taps.reshape(4, 4 * channels, features)
    return _matmul(of_kernel, taps), _matmul(of_kernel, taps.mT)


# Constants, on the host


def _num_blocks(length: int) -> int:
    """Blocks of two along `length` pixels and a margin of one on either side."""
    return (length + 3) // 2


def _inside(size: tuple[int, int], blocks: jax.Array) -> np.ndarray:
    """1 where blocks hold pixels of an image and 0 in their margin, [I * J, 1, 4 C]."""
    rows, columns = (
        ((places >= 0) & (places < length)).reshape(-1, 2)
        for length in size
        for places in [np.arange(2 * _num_blocks(length)) - 1]
    )
    inside = rows[:, None, :, None] & columns[None, :, None, :]
    inside = inside.reshape(-1, 1, 4).astype(blocks.dtype)
    return np.repeat(inside, blocks.shape[-1] // 4, 2)


def _products(size: tuple[int, int], dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices of the products for [n, m] outputs: `collect` them [n * m, U], `of_kernel` [U, 4],
    and `spread` the blocks [U, I * J] over them."""
    lines = [_line(length) for length in size]
    return tuple(np.kron(a, b).astype(dtype) for a, b in zip(*lines, strict=True))


@functools.lru_cache(maxsize=64)
def _line(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for `length` outputs along one axis, each from two neighbouring inputs."""
    num = -(-length // max(POINTS))
    tiles = [length // num + (i < length % num) for i in range(num)]
    collect, of_kernel, spread = (
        np.zeros(shape)
        for shape in (
            (length, length + num),
            (length + num, 2),
            (length + num, _num_blocks(2 * length)),
        )
    )
    place = 0
    for i, rows in enumerate(tiles):
        a, g, b = toom_cook(rows)
        products = slice(place + i, place + i + rows + 1)
        collect[place : place + rows, products] = a
        of_kernel[products] = g
        spread[products, place : place + rows + 1] = b
        place += rows
    return collect, of_kernel, spread


def toom_cook(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y[i] = g[0] d[i] + g[1] d[i + 1] for `rows` outputs from `rows` + 1 products.

    Returns A [rows, U], G [U, 2] and B [U, U] with y = A ((G g) * (B d)): the transpose of
    multiplying polynomials by their values at `POINTS` and at infinity.
    """
    powers = np.vander([*POINTS[rows], 0.0], rows + 1, increasing=True)
    powers[-1] = np.eye(rows + 1)[-1]  # at infinity the highest coefficient counts
    collect, of_kernel = powers[:, :rows].T.copy(), powers[:, :2].copy()
    collect[:, -1], of_kernel[-1] = np.eye(rows)[-1], (0, 1)
    spread = np.linalg.inv(powers).T
    scale = np.array([1 / np.abs(row[np.abs(row) > 1e-9]).min() for row in spread])
    return collect, of_kernel / scale[:, None], np.round(spread * scale[:, None], 12)

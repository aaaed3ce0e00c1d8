"""Winograd's form of a 3x3 convolution of stride 1: F(2x2, 3x3), 16 products in place of 36.

Shapes are those of `xla_convolution.Forms`.

References: Lavin and Gray 2015, https://arxiv.org/abs/1509.09308
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.xla_convolution import pad_same, rotate

# the matrix G of the reference
KERNEL_TO_TILE = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


def by_winograd(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return the convolution with a 3x3 kernel."""
    inputs, outputs = kernel.shape[2:]
    images = pad_same(images, 3, padding)
    height, width = (side - 2 for side in images.shape[1:3])
    images = jnp.pad(images, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
    image_tiles = [tile for row in _image_tiles(images, 1) for tile in _image_tiles(row, 2)]
    to_tiles = np.kron(KERNEL_TO_TILE, KERNEL_TO_TILE).astype(kernel.dtype)
    kernel_tiles = jnp.einsum("tk,kio->tio", to_tiles, kernel.reshape(9, inputs, outputs))
    products = [
        (x.reshape(-1, inputs) @ y).reshape(*x.shape[:3], outputs)
        for x, y in zip(image_tiles, kernel_tiles, strict=True)
    ]
    columns = [_output_sums(products[i::4]) for i in range(4)]  # four rows become two
    pairs = [jnp.stack(_output_sums(row), axis=3) for row in zip(*columns, strict=True)]
    rows = jnp.stack(pairs, axis=2)  # (batch, rows, 2, columns, 2, outputs)
    out = rows.reshape(-1, 2 * rows.shape[1], 2 * rows.shape[3], outputs)
    return out[:, :height, :width]


def image_gradient_by_winograd(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the image gradient: the same algorithm with the kernel rotated by 180 degrees."""
    border = (1, 1) if padding == "same" else (2, 2)
    bordered = jnp.pad(gradient, ((0, 0), border, border, (0, 0)))
    return by_winograd(bordered, rotate(kernel), "valid")


def kernel_gradient_by_winograd(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the gradient of a 3x3 kernel."""
    _, _, inputs, outputs = kernel.shape
    to_even = [(0, 0), (0, gradient.shape[1] % 2), (0, gradient.shape[2] % 2), (0, 0)]
    images = jnp.pad(pad_same(images, 3, padding), to_even)
    gradient = jnp.pad(gradient, to_even)
    image_tiles = [tile for row in _image_tiles(images, 1) for tile in _image_tiles(row, 2)]
    gradient_tiles = [
        tile for row in _gradient_tiles(gradient, 1) for tile in _gradient_tiles(row, 2)
    ]
    products = [
        x.reshape(-1, inputs).T @ y.reshape(-1, outputs)
        for x, y in zip(image_tiles, gradient_tiles, strict=True)
    ]
    from_tiles = np.kron(KERNEL_TO_TILE, KERNEL_TO_TILE).astype(kernel.dtype)
    return jnp.einsum("tk,tio->kio", from_tiles, jnp.stack(products)).reshape(kernel.shape)


def _image_tiles(x: jax.Array, axis: int) -> list[jax.Array]:
    """Return windows of four entries, two apart, times the matrix Bᵀ of the reference."""
    length = x.shape[axis]
    a, b, c, d = (
        lax.slice_in_dim(x, first, min(length - 2 + first, length), 2, axis) for first in range(4)
    )
    return [a - c, b + c, c - b, b - d]


def _gradient_tiles(x: jax.Array, axis: int) -> list[jax.Array]:
    """Return pairs of entries times the matrix A of the reference."""
    a, b = (lax.slice_in_dim(x, first, x.shape[axis], 2, axis) for first in range(2))
    return [a, a + b, a - b, -b]


def _output_sums(products: Sequence[jax.Array]) -> list[jax.Array]:
    """Return a pair of outputs: four products times the matrix Aᵀ of the reference."""
    a, b, c, d = products
    return [a + b + c, b - c - d]

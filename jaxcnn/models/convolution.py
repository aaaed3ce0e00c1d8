"""Convolution: the same sums on every platform, in the form that each adds up fastest.

A GPU or TPU has XLA's convolution. On a CPU that comes close to the speed of a matrix product, but
in three places: filters larger than the map (a hundred times slower), images of a few channels, and
the gradient of 3x3 filters of many channels. There other forms take its place, equal to rounding.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FEW_CHANNELS = 4  # of inputs
FEW_PAIRS = 256  # of an input and an output: up to here other forms than XLA's are faster
MANY_CHANNELS = 80  # geometric mean of inputs and outputs: from here on Winograd's form is faster
STRIP = 4  # columns of output that `by_strips` computes together, or more


def convolve(images: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    """Cross-correlation: (batch, height, width, inputs) -> (batch, height', width', outputs).

    Args:
      images: of the compute dtype.
      kernel: (size, size, inputs, outputs), of the same dtype.
      stride: of both axes.
      padding: "valid" or "same" (XLA's).
    """
    if kernel.shape[0] == 1:
        images, stride = images[:, ::stride, ::stride], 1
    if stride > 1 or _forms(images, kernel) == XLA:
        return by_xla(images, kernel, padding, stride)
    return _convolve(images, kernel, padding)


def by_xla(images: jax.Array, kernel: jax.Array, padding: str, stride: int = 1) -> jax.Array:
    """XLA's own convolution: shapes as in `convolve`."""
    return lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(stride, stride),
        padding=padding.upper(),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def by_product(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """A 1x1 kernel as a plain matrix product, a third faster: shapes as in `convolve`, stride 1."""
    return images @ kernel[0, 0]


def by_patches(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Each position's window as a row, times the kernel: shapes as in `convolve`, stride 1."""
    size, _, _, outputs = kernel.shape
    images = _padded(images, size, padding)
    height, width = (side - size + 1 for side in images.shape[1:3])
    windows = [
        images[:, row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
    return jnp.concatenate(windows, axis=-1) @ kernel.reshape(-1, outputs)


def by_groups(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """XLA's convolution of maps a few times narrower and deeper: shapes as in `convolve`, stride 1.

    The columns are taken in groups of one less than the kernel's size, which costs nothing: in
    memory a group's channels lie side by side. Two groups are what a group of outputs depends on.
    """
    size, _, _, outputs = kernel.shape
    y = by_xla(_in_groups(images, size, padding), _group_matrices(kernel), "valid")
    width = images.shape[2] - (size - 1 if padding == "valid" else 0)
    return y.reshape(*y.shape[:2], -1, outputs)[:, :, :width]


def _group_size(size: int) -> int:
    return max(size - 1, 2)


def _in_groups(images: jax.Array, size: int, padding: str) -> jax.Array:
    """(batch, height, width, inputs) -> (batch, height, groups, group · inputs): one group more
    than there are of outputs, which the last one depends on."""
    images, group = _padded(images, size, padding), _group_size(size)
    batch, height, width, inputs = images.shape
    groups = -(-(width - size + 1) // group) + 1
    images = jnp.pad(images, ((0, 0), (0, 0), (0, groups * group - width), (0, 0)))
    return images.reshape(batch, height, groups, group * inputs)


def _group_shifts(size: int, dtype: jnp.dtype) -> np.ndarray:
    """[column of the kernel, column of two groups, column of output]: 1 where they meet."""
    group = _group_size(size)
    return np.stack([np.eye(2 * group, group, -column) for column in range(size)]).astype(dtype)


def _group_matrices(kernel: jax.Array) -> jax.Array:
    """(size, size, inputs, outputs) -> (size, 2, group · inputs, group · outputs)."""
    size, _, inputs, outputs = kernel.shape
    group = _group_size(size)
    matrices = jnp.einsum("kwo,rkij->rwioj", _group_shifts(size, kernel.dtype), kernel)
    return matrices.reshape(size, 2, group * inputs, group * outputs)


def by_strips(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Several columns of the output at once, for a few inputs: shapes as in `convolve`, stride 1.

    A window as high as the kernel, and wide enough for `STRIP` columns of output, times a matrix
    that holds the kernel once for each of them, shifted. That computes zeros, but copies each
    entry of the images less often and makes wider products.
    """
    size, _, inputs, outputs = kernel.shape
    images = _padded(images, size, padding)
    batch, height, width = images.shape[0], images.shape[1] - size + 1, images.shape[2] - size + 1
    strip = next(n for n in range(min(STRIP, width), width + 1) if width % n == 0)
    window = strip + size - 1
    columns = [
        images[:, :, first : first + window].reshape(batch, -1, window * inputs)
        for first in range(0, width, strip)
    ]
    columns = jnp.stack(columns, axis=2)
    rows = [columns[:, row : row + height] for row in range(size)]
    # [offset, column of the window, column of the strip]
    shifts = np.stack([np.eye(window, strip, -offset) for offset in range(size)])
    matrix = jnp.einsum("owc,roij->rwicj", shifts.astype(kernel.dtype), kernel)
    product = jnp.concatenate(rows, axis=-1) @ matrix.reshape(-1, strip * outputs)
    return product.reshape(batch, height, width, outputs)


def kernel_gradient_by_product(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """The gradient of a 1x1 kernel as one product of matrices: a tenth less time than of maps.

    Args:
      images, kernel, padding: as in `convolve`.
      gradient: (batch, height', width', outputs).

    Returns:
      Like the kernel.
    """
    _, _, inputs, outputs = kernel.shape
    product = images.reshape(-1, inputs).T @ gradient.reshape(-1, outputs)
    return product.reshape(kernel.shape)


def kernel_gradient_by_groups(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Of `by_groups`, a product for each of its matrices: as the form above."""
    size, _, inputs, outputs = kernel.shape
    group, width = _group_size(size), gradient.shape[2]
    x = _in_groups(images, size, padding)
    height, groups = gradient.shape[1], x.shape[2] - 1
    gradient = jnp.pad(gradient, ((0, 0), (0, 0), (0, groups * group - width), (0, 0)))
    gradient = gradient.reshape(-1, group * outputs)
    products = [
        x[:, row : row + height, first : first + groups].reshape(-1, group * inputs).T @ gradient
        for row in range(size)
        for first in (0, 1)
    ]
    products = jnp.stack(products).reshape(size, 2 * group, inputs, group, outputs)
    return jnp.einsum("kwo,rwioj->rkij", _group_shifts(size, kernel.dtype), products)


def kernel_gradient_by_shifts(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """One product for a few inputs, the shifted images times the gradient: as the form above."""
    size = kernel.shape[0]
    _, height, width, outputs = gradient.shape
    images = jnp.moveaxis(_padded(images, size, padding), -1, 0)
    shifted = [
        images[:, :, row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
    rows = jnp.stack(shifted).reshape(size * size * len(images), -1)
    return (rows @ gradient.reshape(-1, outputs)).reshape(kernel.shape)


def kernel_gradient_by_winograd(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """The gradient of a 3x3 kernel by F(2x2, 3x3), 16 products for 36: as the forms above.

    References: Lavin and Gray 2015, https://arxiv.org/abs/1509.09308
    """
    _, _, inputs, outputs = kernel.shape
    to_even = [(0, 0), (0, gradient.shape[1] % 2), (0, gradient.shape[2] % 2), (0, 0)]
    images = jnp.pad(_padded(images, 3, padding), to_even)
    gradient = jnp.pad(gradient, to_even)
    image_tiles = [tile for row in _image_tiles(images, 1) for tile in _image_tiles(row, 2)]
    gradient_tiles = [
        tile for row in _gradient_tiles(gradient, 1) for tile in _gradient_tiles(row, 2)
    ]
    products = [
        x.reshape(-1, inputs).T @ y.reshape(-1, outputs)
        for x, y in zip(image_tiles, gradient_tiles, strict=True)
    ]
    columns = [_kernel_sums(products[i::4]) for i in range(4)]  # of four rows each, to three
    return jnp.stack([jnp.stack(_kernel_sums(row)) for row in zip(*columns, strict=True)])


def _image_tiles(x: jax.Array, axis: int) -> list[jax.Array]:
    """Windows of four, two apart, times Winograd's Bᵀ."""
    length = x.shape[axis]
    a, b, c, d = (
        lax.slice_in_dim(x, first, min(length - 2 + first, length), 2, axis) for first in range(4)
    )
    return [a - c, b + c, c - b, b - d]


def _gradient_tiles(x: jax.Array, axis: int) -> list[jax.Array]:
    """Pairs, times Winograd's A."""
    a, b = (lax.slice_in_dim(x, first, x.shape[axis], 2, axis) for first in range(2))
    return [a, a + b, a - b, -b]


def _kernel_sums(products: list[jax.Array]) -> list[jax.Array]:
    """Four products, to the three taps of a kernel: times Winograd's Gᵀ."""
    a, b, c, d = products
    return [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d]


def _padded(images: jax.Array, size: int, padding: str) -> jax.Array:
    if padding == "valid":
        return images
    border = ((size - 1) // 2, size // 2)
    return jnp.pad(images, ((0, 0), border, border, (0, 0)))


class Forms(NamedTuple):
    """The functions for a convolution and its two gradients."""

    forward: Callable
    image_gradient: Callable
    kernel_gradient: Callable


def _image_gradient(form: Callable) -> Callable:
    def gradient_of(images, kernel, gradient, padding):
        return jax.linear_transpose(lambda x: form(x, kernel, padding), images)(gradient)[0]

    return gradient_of


def _kernel_gradient(form: Callable) -> Callable:
    def gradient_of(images, kernel, gradient, padding):
        return jax.linear_transpose(lambda x: form(images, x, padding), kernel)(gradient)[0]

    return gradient_of


def _same_form(form: Callable) -> Forms:
    return Forms(form, _image_gradient(form), _kernel_gradient(form))


XLA = _same_form(by_xla)
PRODUCT = _same_form(by_product)._replace(kernel_gradient=kernel_gradient_by_product)
PATCHES = _same_form(by_patches)
GROUPS = Forms(by_groups, _image_gradient(by_strips), XLA.kernel_gradient)
LARGE_FIRST = GROUPS._replace(kernel_gradient=kernel_gradient_by_groups)
SMALL_FIRST = GROUPS._replace(kernel_gradient=kernel_gradient_by_shifts)
WINOGRAD = XLA._replace(kernel_gradient=kernel_gradient_by_winograd)


def _forms(images: jax.Array, kernel: jax.Array) -> Forms:
    """The fastest on a CPU."""
    size, _, inputs, outputs = kernel.shape
    if size == 1:
        return PRODUCT
    if size > min(images.shape[1:3]):
        return PATCHES
    if inputs <= FEW_CHANNELS:
        return SMALL_FIRST if size == 3 else LARGE_FIRST
    if inputs * outputs <= FEW_PAIRS:
        return GROUPS
    precise = jnp.finfo(images.dtype).bits >= 32  # Winograd's sums cost a few bits
    if size == 3 and inputs * outputs >= MANY_CHANNELS**2 and precise:
        return WINOGRAD
    return XLA


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    forward = functools.partial(_forms(images, kernel).forward, padding=padding)
    default = functools.partial(by_xla, padding=padding)
    return lax.platform_dependent(images, kernel, cpu=forward, default=default)


def _forward(images, kernel, padding):
    return _convolve(images, kernel, padding), (images, kernel)


def _backward(padding, saved, gradient):
    def gradients(forms: Forms) -> Callable:
        return lambda *arrays: tuple(form(*arrays, padding) for form in forms[1:])

    cpu, default = gradients(_forms(*saved)), gradients(XLA)
    return lax.platform_dependent(*saved, gradient, cpu=cpu, default=default)


_convolve.defvjp(_forward, _backward)

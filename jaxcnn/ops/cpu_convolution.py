"""Forms of a convolution of stride 1 that a CPU adds up faster than XLA's own, equal to rounding.

Shapes are those of `xla_convolution.Forms`. `cpu_choice` says which form a layer takes.
"""

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.xla_convolution import XLA, Forms, by_xla, pad_same, rotate

Shaped = jax.Array | jax.ShapeDtypeStruct  # where only shape and dtype are read

CACHE = 2**19  # bytes of a part's maps
MOST_PARTS = 8  # XLA compiles each part by itself


def by_product(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return the convolution with a 1x1 kernel as one matrix product: a third faster."""
    return images @ kernel[0, 0]


def kernel_gradient_by_product(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the gradient of a 1x1 kernel as one matrix product, in a tenth less time.

    XLA's product reads a transposed left side bit by bit. So the narrower of the two sides is
    transposed. If that is the gradient, it is transposed before the product.
    """
    _, _, inputs, outputs = kernel.shape
    images, gradient = images.reshape(-1, inputs), gradient.reshape(-1, outputs)
    if outputs < inputs:
        transposed = lax.optimization_barrier(gradient.T)
        product = lax.optimization_barrier(transposed @ images).T
    else:
        product = images.T @ gradient
    return product.reshape(kernel.shape)


def by_taps(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return a "same" convolution as one product for each entry (tap) of the kernel.

    A tap's product takes the positions where the tap does not meet the padding.
    """
    total = _wide_zeros(images, kernel.shape[3])
    for row, column, (y, x), (y_in, x_in) in _taps(kernel.shape[0], images.shape[1:3]):
        total = _add_product(total, y, x, images[:, y_in, x_in], kernel[row, column])
    return total.astype(images.dtype)


def image_gradient_by_taps(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the image gradient of a "same" convolution as one product for each tap."""
    total = _wide_zeros(images, images.shape[3])
    for row, column, (y, x), (y_in, x_in) in _taps(kernel.shape[0], images.shape[1:3]):
        total = _add_product(total, y_in, x_in, gradient[:, y, x], kernel[row, column].T)
    return total.astype(images.dtype)


def kernel_gradient_by_taps(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the kernel gradient of a "same" convolution as one product for each tap."""
    size, _, inputs, outputs = kernel.shape
    products = [[jnp.zeros((inputs, outputs), kernel.dtype)] * size for _ in range(size)]
    for row, column, (y, x), (y_in, x_in) in _taps(size, images.shape[1:3]):
        part = images[:, y_in, x_in].reshape(-1, inputs)
        products[row][column] = part.T @ gradient[:, y, x].reshape(-1, outputs)
    return jnp.stack([jnp.stack(row) for row in products])


def _wide_zeros(maps: jax.Array, channels: int) -> jax.Array:
    return jnp.zeros((*maps.shape[:3], channels), jnp.promote_types(maps.dtype, jnp.float32))


def _add_product(
    total: jax.Array, y: slice, x: slice, part: jax.Array, matrix: jax.Array
) -> jax.Array:
    """Return the total with `part @ matrix` added to its rows y and columns x."""
    flat = part.reshape(-1, part.shape[-1])
    product = jnp.matmul(flat, matrix, preferred_element_type=total.dtype)
    sums = total[:, y, x] + product.reshape(*part.shape[:3], -1)
    return lax.dynamic_update_slice(total, sums, (0, y.start, x.start, 0))


def _taps(size: int, sides: tuple[int, ...]) -> Iterator[tuple]:
    """Yield row and column of each tap, and the slices of the outputs and inputs it connects."""
    rows, columns = (axis_taps(size, side) for side in sides)
    for (row, y, y_in), (column, x, x_in) in itertools.product(rows, columns):
        yield row, column, (y, x), (y_in, x_in)


def axis_taps(size: int, side: int) -> list[tuple[int, slice, slice]]:
    """Return the taps along one axis that meet the image, with their output and input slices."""
    shifts = [(tap, tap - (size - 1) // 2) for tap in range(size)]
    ends = [(tap, max(0, -shift), min(side, side - shift), shift) for tap, shift in shifts]
    return [
        (tap, slice(first, last), slice(first + shift, last + shift))
        for tap, first, last, shift in ends
        if first < last
    ]


def by_groups(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return XLA's convolution of maps a few times narrower and deeper: for a few channels.

    A group is as many columns as the kernel's size less one. Forming groups costs nothing, because
    a group's columns lie side by side in memory. Two groups of inputs give one group of outputs.
    """
    size, _, _, outputs = kernel.shape
    y = by_xla(_in_groups(images, size, padding), _group_matrices(kernel), "valid")
    width = images.shape[2] - (size - 1 if padding == "valid" else 0)
    return y.reshape(*y.shape[:2], -1, outputs)[:, :, :width]


def _group_size(size: int) -> int:
    return max(size - 1, 2)


def _in_groups(images: jax.Array, size: int, padding: str) -> jax.Array:
    """Return the columns in groups, with one group more than there are groups of outputs.

    (batch, height, width, inputs) -> (batch, height, groups, group * inputs).
    """
    images, group = pad_same(images, size, padding), _group_size(size)
    batch, height, width, inputs = images.shape
    groups = -(-(width - size + 1) // group) + 1
    images = jnp.pad(images, ((0, 0), (0, 0), (0, groups * group - width), (0, 0)))
    return images.reshape(batch, height, groups, group * inputs)


def _group_shifts(size: int, dtype: jnp.dtype) -> np.ndarray:
    """Return ones where (column of the kernel, column of two groups, column of output) meet."""
    group = _group_size(size)
    return np.stack([np.eye(2 * group, group, -column) for column in range(size)]).astype(dtype)


def _group_matrices(kernel: jax.Array) -> jax.Array:
    """(size, size, inputs, outputs) -> (size, 2, group * inputs, group * outputs)."""
    size, _, inputs, outputs = kernel.shape
    group = _group_size(size)
    matrices = jnp.einsum("kwo,rkij->rwioj", _group_shifts(size, kernel.dtype), kernel)
    return matrices.reshape(size, 2, group * inputs, group * outputs)


def by_strips(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return a strip of columns at once, as a window times one wide matrix: for a few inputs.

    The window is as high as the kernel and wide enough for the strip. The matrix holds the kernel
    once for each column of the strip, shifted. That multiplies by zeros, but copies each pixel
    less often and makes wider products.
    """
    size, _, inputs, outputs = kernel.shape
    images, group = pad_same(images, size, padding), _group_size(size)
    batch, height, width = images.shape[0], images.shape[1] - size + 1, images.shape[2] - size + 1
    strip = next((n for n in range(group, 2 * group) if width % n == 0), group)
    strips, window = -(-width // strip), strip + size - 1
    images = jnp.pad(images, ((0, 0), (0, 0), (0, strips * strip - width), (0, 0)))
    columns = [
        images[:, :, first : first + window].reshape(batch, -1, window * inputs)
        for first in range(0, strips * strip, strip)
    ]
    columns = jnp.stack(columns, axis=2)
    rows = [columns[:, row : row + height] for row in range(size)]
    # [column of the kernel, column of the window, column of the strip]
    shifts = np.stack([np.eye(window, strip, -column) for column in range(size)])
    matrix = jnp.einsum("kwc,rkij->rwicj", shifts.astype(kernel.dtype), kernel)
    product = jnp.concatenate(rows, axis=-1) @ matrix.reshape(-1, strip * outputs)
    return product.reshape(batch, height, strips * strip, outputs)[:, :, :width]


def image_gradient_by_same(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the image gradient of an odd "valid" kernel as a "same" convolution; else XLA's.

    The gradient gets half of the border that it needs, and "same" the other half: XLA is faster
    at that than at a convolution with the whole border.
    """
    if padding == "same" or kernel.shape[0] % 2 == 0:
        return XLA.image_gradient(images, kernel, gradient, padding)
    half = (kernel.shape[0] // 2,) * 2
    # without the barrier XLA makes one padding of the two
    bordered = lax.optimization_barrier(jnp.pad(gradient, ((0, 0), half, half, (0, 0))))
    return by_xla(bordered, rotate(kernel), "same")


def in_parts(forms: Forms) -> Forms:
    """Return the forms for parts of the batch whose maps fit in the cache.

    With a few channels, and so many positions, this takes down to half of the time.
    """

    def forward(images, kernel, padding):
        num = num_parts(images, kernel.shape[-1])
        parts = [forms.forward(x, kernel, padding) for x in jnp.split(images, num)]
        return jnp.concatenate(parts)

    def image_gradient(images, kernel, gradient, padding):
        parts = _split(images, gradient)
        return jnp.concatenate([forms.image_gradient(x, kernel, y, padding) for x, y in parts])

    def kernel_gradient(images, kernel, gradient, padding):
        parts = _split(images, gradient)
        return sum(forms.kernel_gradient(x, kernel, y, padding) for x, y in parts)

    return Forms(forward, image_gradient, kernel_gradient)


def _split(images: jax.Array, gradient: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    num = num_parts(gradient, gradient.shape[-1])
    return zip(jnp.split(images, num), jnp.split(gradient, num), strict=True)


def num_parts(maps: Shaped, channels: int) -> int:
    """Return the number of equal parts of the batch such that one part's maps fit in `CACHE`.

    The maps have `channels` channels. The number is 1 where the batch size is unknown, as in an
    exported network, and below float32, where a sum over parts would lose bits.
    """
    if not isinstance(maps.shape[0], int) or maps.dtype.itemsize < 4:
        return 1
    fitting = -(-maps.size // maps.shape[-1] * channels * maps.dtype.itemsize // CACHE)
    divisors = [n for n in range(1, MOST_PARTS + 1) if maps.shape[0] % n == 0]
    return next((n for n in divisors if n >= fitting), divisors[-1])

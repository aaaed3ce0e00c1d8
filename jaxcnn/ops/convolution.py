"""Convolution: the same sums on every platform, in the form that each adds up fastest.

A GPU or TPU has XLA's convolution. On a CPU that comes close to the speed of a matrix product with
many channels, where Winograd's form takes half of the operations; it is slow with a few channels,
in the gradient of the kernel, and where most of a kernel meets the padding (a hundred times slower
if it is larger than the map). There other forms take its place, equal to rounding.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FEW_CHANNELS = 4  # of inputs: images
SOME_OUTPUTS = 48  # of images: from here on XLA's form is the fastest
MANY_CHANNELS = 32  # of inputs and of outputs: from here on `by_winograd` is faster
# products of inputs and outputs
FEW_PAIRS = 256  # up to here `by_groups` is faster than XLA's form
SOME_PAIRS = 1024  # below it maps are taken in parts
MANY_PAIRS = 80**2  # from here on Winograd's gradient of the kernel is faster
TAPS_PAIRS = 64**2  # from here on `by_taps` is faster, with
FEW_INSIDE = 0.61  # at most this share of a kernel's uses off the padding
CACHE = 2**19  # bytes of a part's maps
MOST_PARTS = 8  # each is compiled by itself
KERNEL_TO_TILE = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])  # Winograd's G


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
    if stride > 1:
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


def by_taps(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """A product for each entry of the kernel, of the positions where it does not meet the padding:
    shapes as in `convolve`, stride 1, "same"."""
    total = _wide_zeros(images, kernel.shape[3])
    for row, column, (y, x), (y_in, x_in) in _taps(kernel.shape[0], images.shape[1:3]):
        total = _add_product(total, y, x, images[:, y_in, x_in], kernel[row, column])
    return total.astype(images.dtype)


def _wide_zeros(maps: jax.Array, channels: int) -> jax.Array:
    return jnp.zeros((*maps.shape[:3], channels), jnp.promote_types(maps.dtype, jnp.float32))


def _add_product(
    total: jax.Array, y: slice, x: slice, part: jax.Array, matrix: jax.Array
) -> jax.Array:
    """The total, to whose rows y and columns x a part of a map times a matrix is added."""
    flat = part.reshape(-1, part.shape[-1])
    product = jnp.matmul(flat, matrix, preferred_element_type=total.dtype)
    sums = total[:, y, x] + product.reshape(*part.shape[:3], -1)
    return lax.dynamic_update_slice(total, sums, (0, y.start, x.start, 0))


def _taps(size: int, sides: tuple[int, int]) -> Iterator[tuple]:
    """Each row and column of the kernel, with the slices of the outputs and of the inputs that it
    connects."""
    rows, columns = (_axis_taps(size, side) for side in sides)
    for (row, y, y_in), (column, x, x_in) in itertools.product(rows, columns):
        yield row, column, (y, x), (y_in, x_in)


def _axis_taps(size: int, side: int) -> list[tuple[int, slice, slice]]:
    shifts = [(tap, tap - (size - 1) // 2) for tap in range(size)]
    ends = [(tap, max(0, -shift), min(side, side - shift), shift) for tap, shift in shifts]
    return [
        (tap, slice(first, last), slice(first + shift, last + shift))
        for tap, first, last, shift in ends
        if first < last
    ]


def _share_inside(size: int, sides: tuple[int, int], padding: str) -> float:
    """The share of the uses of a kernel's entries that don't meet the padding."""
    if padding == "valid":
        return 1.0
    inside = (sum(y.stop - y.start for _, y, _ in _axis_taps(size, side)) for side in sides)
    return math.prod(inside) / math.prod(size * side for side in sides)


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
    """A few columns of the output at once, for a few inputs: shapes as in `convolve`, stride 1.

    A window as high as the kernel, and wide enough for a strip of columns, times a matrix that
    holds the kernel once for each of them, shifted. That computes zeros, but copies each entry of
    the images less often and makes wider products.
    """
    size, _, inputs, outputs = kernel.shape
    images, group = _padded(images, size, padding), _group_size(size)
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


def by_winograd(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """A 3x3 kernel by F(2x2, 3x3), 16 products for 36: shapes as in `convolve`, stride 1.

    References: Lavin and Gray 2015, https://arxiv.org/abs/1509.09308
    """
    inputs, outputs = kernel.shape[2:]
    images = _padded(images, 3, padding)
    height, width = (side - 2 for side in images.shape[1:3])
    images = jnp.pad(images, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
    image_tiles = [tile for row in _image_tiles(images, 1) for tile in _image_tiles(row, 2)]
    to_tiles = np.kron(KERNEL_TO_TILE, KERNEL_TO_TILE).astype(kernel.dtype)
    kernel_tiles = jnp.einsum("tk,kio->tio", to_tiles, kernel.reshape(9, inputs, outputs))
    products = [
        (x.reshape(-1, inputs) @ y).reshape(*x.shape[:3], outputs)
        for x, y in zip(image_tiles, kernel_tiles, strict=True)
    ]
    columns = [_output_sums(products[i::4]) for i in range(4)]  # of four rows each, to two
    pairs = [jnp.stack(_output_sums(row), axis=3) for row in zip(*columns, strict=True)]
    rows = jnp.stack(pairs, axis=2)  # (batch, rows, 2, columns, 2, outputs)
    out = rows.reshape(-1, 2 * rows.shape[1], 2 * rows.shape[3], outputs)
    return out[:, :height, :width]


def image_gradient_by_taps(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """The gradient of the images, of `by_taps`.

    Args:
      images, kernel, padding: as in `convolve`.
      gradient: (batch, height', width', outputs).

    Returns:
      Like the images.
    """
    total = _wide_zeros(images, images.shape[3])
    for row, column, (y, x), (y_in, x_in) in _taps(kernel.shape[0], images.shape[1:3]):
        total = _add_product(total, y_in, x_in, gradient[:, y, x], kernel[row, column].T)
    return total.astype(images.dtype)


def image_gradient_by_winograd(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Of `by_winograd`, which is itself with the kernel turned around: as the form above."""
    border = (1, 1) if padding == "same" else (2, 2)
    bordered = jnp.pad(gradient, ((0, 0), border, border, (0, 0)))
    return by_winograd(bordered, _turned(kernel), "valid")


def image_gradient_by_same(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """As the form above, any size; of an odd "valid" kernel as a "same" convolution of the gradient
    with half of the border that it needs: XLA has a faster form for these."""
    if padding == "same" or kernel.shape[0] % 2 == 0:
        return XLA.image_gradient(images, kernel, gradient, padding)
    half = (kernel.shape[0] // 2,) * 2
    # else XLA makes one padding of the two
    bordered = lax.optimization_barrier(jnp.pad(gradient, ((0, 0), half, half, (0, 0))))
    return by_xla(bordered, _turned(kernel), "same")


def kernel_gradient_by_product(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """The gradient of a 1x1 kernel as one product of matrices: a tenth less time than of maps.

    A product's left side is turned around by itself first where that is the narrow one: else the
    product does it bit by bit, and takes up to three times as long.

    Args:
      images, kernel, padding: as in `convolve`.
      gradient: (batch, height', width', outputs).

    Returns:
      Like the kernel.
    """
    _, _, inputs, outputs = kernel.shape
    images, gradient = images.reshape(-1, inputs), gradient.reshape(-1, outputs)
    if outputs < inputs:
        turned = lax.optimization_barrier(gradient.T)
        product = lax.optimization_barrier(turned @ images).T
    else:
        product = images.T @ gradient
    return product.reshape(kernel.shape)


def kernel_gradient_by_taps(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Of `by_taps`: as the form above, "same"."""
    size, _, inputs, outputs = kernel.shape
    products = [[jnp.zeros((inputs, outputs), kernel.dtype)] * size for _ in range(size)]
    for row, column, (y, x), (y_in, x_in) in _taps(size, images.shape[1:3]):
        part = images[:, y_in, x_in].reshape(-1, inputs)
        products[row][column] = part.T @ gradient[:, y, x].reshape(-1, outputs)
    return jnp.stack([jnp.stack(row) for row in products])


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
    from_tiles = np.kron(KERNEL_TO_TILE, KERNEL_TO_TILE).astype(kernel.dtype)
    return jnp.einsum("tk,tio->kio", from_tiles, jnp.stack(products)).reshape(kernel.shape)


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


def _output_sums(products: list[jax.Array]) -> list[jax.Array]:
    """Four products, to a pair of outputs: times Winograd's Aᵀ."""
    a, b, c, d = products
    return [a + b + c, b - c - d]


def _turned(kernel: jax.Array) -> jax.Array:
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


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


def _in_parts(forms: Forms) -> Forms:
    """The same for parts of the batch whose maps fit in the cache: for a few channels, of which
    there are many positions, in up to half of the time."""

    def forward(images, kernel, padding):
        num_parts = _num_parts(images, kernel.shape[-1])
        parts = [forms.forward(x, kernel, padding) for x in jnp.split(images, num_parts)]
        return jnp.concatenate(parts)

    def image_gradient(images, kernel, gradient, padding):
        parts = _split(images, gradient)
        return jnp.concatenate([forms.image_gradient(x, kernel, y, padding) for x, y in parts])

    def kernel_gradient(images, kernel, gradient, padding):
        parts = _split(images, gradient)
        return sum(forms.kernel_gradient(x, kernel, y, padding) for x, y in parts)

    return Forms(forward, image_gradient, kernel_gradient)


def _split(images: jax.Array, gradient: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    num_parts = _num_parts(gradient, gradient.shape[-1])
    return zip(jnp.split(images, num_parts), jnp.split(gradient, num_parts), strict=True)


def _num_parts(maps: jax.Array, channels: int) -> int:
    """So many equal parts of the batch that one, with so many channels, fits in `CACHE`.

    One where the batch's size is open, as in an exported network, and in less than float32, in
    which a sum of parts would lose bits.
    """
    if not isinstance(maps.shape[0], int) or maps.dtype.itemsize < 4:
        return 1
    fitting = -(-maps.size // maps.shape[-1] * channels * maps.dtype.itemsize // CACHE)
    divisors = [n for n in range(1, MOST_PARTS + 1) if len(maps) % n == 0]
    return next((n for n in divisors if n >= fitting), divisors[-1])


def _same_form(form: Callable) -> Forms:
    return Forms(form, _image_gradient(form), _kernel_gradient(form))


XLA = _same_form(by_xla)
IN_PARTS = _in_parts(XLA._replace(image_gradient=image_gradient_by_same))
LARGE = XLA._replace(kernel_gradient=IN_PARTS.kernel_gradient)
WINOGRAD = Forms(by_winograd, image_gradient_by_winograd, kernel_gradient_by_winograd)
HALF_WINOGRAD = WINOGRAD._replace(kernel_gradient=IN_PARTS.kernel_gradient)
PRODUCT = _same_form(by_product)._replace(kernel_gradient=kernel_gradient_by_product)
TAPS = Forms(by_taps, image_gradient_by_taps, kernel_gradient_by_taps)
GROUPS_IN_PARTS = _in_parts(_same_form(by_groups))
STRIPS_IN_PARTS = _in_parts(_same_form(by_strips))


def cpu_forms(images: jax.Array, kernel: jax.Array, padding: str) -> Forms:
    """The fastest on a CPU, at stride 1: arguments as in `convolve`."""
    size, _, inputs, outputs = kernel.shape
    sides, pairs = images.shape[1:3], inputs * outputs
    if size == 1:
        return PRODUCT
    is_mostly_outside = _share_inside(size, sides, padding) < FEW_INSIDE and pairs >= TAPS_PAIRS
    if size > min(sides) or is_mostly_outside:
        return TAPS
    if inputs <= FEW_CHANNELS:
        if outputs >= SOME_OUTPUTS:
            return LARGE
        forms = STRIPS_IN_PARTS if inputs == 1 else GROUPS_IN_PARTS
        return Forms(
            forms.forward,
            STRIPS_IN_PARTS.image_gradient,
            (IN_PARTS if size == 3 else GROUPS_IN_PARTS).kernel_gradient,
        )
    if pairs <= FEW_PAIRS:
        is_large = size == 3 and _num_parts(images, outputs) > 1
        image_gradient = (IN_PARTS if is_large else STRIPS_IN_PARTS).image_gradient
        return IN_PARTS._replace(forward=GROUPS_IN_PARTS.forward, image_gradient=image_gradient)
    if pairs < SOME_PAIRS:
        return IN_PARTS
    precise = jnp.finfo(images.dtype).bits >= 32  # Winograd's sums cost a few bits
    if size == 3 and min(inputs, outputs) >= MANY_CHANNELS and precise:
        return WINOGRAD if pairs >= MANY_PAIRS else HALF_WINOGRAD
    return LARGE


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    forward = functools.partial(cpu_forms(images, kernel, padding).forward, padding=padding)
    default = functools.partial(by_xla, padding=padding)
    return lax.platform_dependent(images, kernel, cpu=forward, default=default)


def _forward(images, kernel, padding):
    return _convolve(images, kernel, padding), (images, kernel)


def _backward(padding, saved, gradient):
    def gradients(forms: Forms) -> Callable:
        return lambda *arrays: tuple(form(*arrays, padding) for form in forms[1:])

    cpu, default = gradients(cpu_forms(*saved, padding)), gradients(XLA)
    return lax.platform_dependent(*saved, gradient, cpu=cpu, default=default)


_convolve.defvjp(_forward, _backward)

"""Convolutions in bfloat16 as matrix products, for CPUs with instructions for them.

XLA computes a product with these instructions if both matrices are bfloat16, lie row by row in
memory, and the product is float32. It computes its own convolutions, and all other products, in
float32. It also converts bfloat16 to float32 and back where it only copies. So everything here
that moves numbers moves them as uint16, called bits.

Shapes are those of `xla_convolution.Forms`. `cpu_choice` says which layers take these forms.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.xla_convolution import Forms, rotate

INSTRUCTIONS = {"amx_bf16", "avx512_bf16"}  # Intel AMX; AMD since Zen 4 and some of Intel
PART_BYTES = 2**17  # of a part's windows
FEWEST_POSITIONS = 256  # of a part; they are the rows of its products
FEWEST_SUMMED = 1024  # of a part of the kernel's gradient, which reads and writes all sums
MOST_PARTS = 32
# from so many channels on, a product for each entry of the kernel is faster than one for each row
MANY_CHANNELS, SOME_CHANNELS = 256, 64  # the latter for the kernel's gradient


@functools.cache
def has_instructions() -> bool:
    """Return whether this machine's CPU has instructions for products of bfloat16 matrices."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux
        return False
    return not INSTRUCTIONS.isdisjoint(flags)


def by_products(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Return the convolution."""
    size, _, inputs, outputs = kernel.shape
    is_by_row = inputs < MANY_CHANNELS
    matrices = kernel.reshape(size if is_by_row else size * size, -1, outputs)

    def convolve(part: jax.Array) -> jax.Array:
        return _sum_of_products(_windows(part, size, is_by_row), matrices)

    return _convolve_parts(convolve, images, _border(size, padding), size, outputs)


def image_gradient_by_products(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the image gradient: the convolution of the gradient with the rotated kernel."""
    size, _, inputs, outputs = kernel.shape
    before, after = _border(size, padding)
    border = (size - 1 - before, size - 1 - after)
    is_by_row = outputs < MANY_CHANNELS
    if is_by_row:
        rotated = _from_bits(_row_by_row(rotate(_to_bits(kernel))))
        matrices, axis = rotated.reshape(size, -1, inputs), 0
    else:
        matrices, axis = kernel.reshape(-1, inputs, outputs)[::-1], 1

    def convolve(part: jax.Array) -> jax.Array:
        return _sum_of_products(_windows(part, size, is_by_row), matrices, axis)

    return _convolve_parts(convolve, gradient, border, size, inputs)


def kernel_gradient_by_products(
    images: jax.Array, kernel: jax.Array, gradient: jax.Array, padding: str
) -> jax.Array:
    """Return the gradient of the kernel, summed in float32."""
    size, _, inputs, outputs = kernel.shape
    if size == 1 and images.size < gradient.size + kernel.size:
        transposed = _from_bits(_row_by_row(_to_bits(images).reshape(-1, inputs).T))
        sums = _product(transposed, gradient.reshape(-1, outputs))
        return sums.reshape(kernel.shape).astype(kernel.dtype)
    border, is_by_row = _border(size, padding), inputs < SOME_CHANNELS

    def products(part: tuple[jax.Array, jax.Array]) -> jax.Array:
        bordered, gradient = _with_border(part[0], border), part[1].reshape(-1, outputs)
        transposed = _from_bits(_row_by_row(gradient.T))
        windows = _windows(bordered, size, is_by_row)
        return jnp.concatenate([_product(transposed, window) for window in windows], axis=1)

    bits = _to_bits(images), _to_bits(gradient)
    num = _num_parts(bits[1], size * max(inputs, outputs), FEWEST_SUMMED)
    if num == 1:
        sums = products(bits)
    else:
        zeros = jnp.zeros((outputs, size * size * inputs), jnp.float32)
        parts = jax.tree.map(lambda x: x.reshape(num, -1, *x.shape[1:]), bits)
        sums, _ = lax.scan(lambda total, part: (total + products(part), None), zeros, parts)
    return sums.T.reshape(kernel.shape).astype(kernel.dtype)


PRODUCTS = Forms(by_products, image_gradient_by_products, kernel_gradient_by_products)


def in_float32(forms: Forms) -> Forms:
    """Return the forms computed in float32, for layers whose products are too narrow.

    XLA would do the same, but convert at each step of a form.
    """

    def forward(images, kernel, padding):
        return forms.forward(*_widen(images, kernel), padding).astype(images.dtype)

    def image_gradient(images, kernel, gradient, padding):
        out = forms.image_gradient(*_widen(images, kernel, gradient), padding)
        return out.astype(images.dtype)

    def kernel_gradient(images, kernel, gradient, padding):
        out = forms.kernel_gradient(*_widen(images, kernel, gradient), padding)
        return out.astype(kernel.dtype)

    return Forms(forward, image_gradient, kernel_gradient)


def _widen(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(x.astype(jnp.float32) for x in arrays)


def _convolve_parts(
    convolve: Callable, maps: jax.Array, border: tuple[int, int], size: int, outputs: int
) -> jax.Array:
    """Return bordered maps convolved part by part, so that a part's windows fit in the cache.

    `convolve` takes the bits of a part with its border, and returns float32 (positions, outputs).
    """
    height, width = (side + sum(border) - size + 1 for side in maps.shape[1:3])

    def bits_of_part(part: jax.Array) -> jax.Array:
        sums = convolve(_with_border(part, border))
        return _to_bits(sums.astype(maps.dtype)).reshape(-1, height, width, outputs)

    bits = _to_bits(maps)
    num = 1 if size == 1 else _num_parts(bits, size * bits.shape[-1], FEWEST_POSITIONS)
    if num == 1:
        return _from_bits(bits_of_part(bits))
    out = lax.map(bits_of_part, bits.reshape(num, -1, *bits.shape[1:]))
    return _from_bits(out.reshape(len(maps), height, width, outputs))


def _num_parts(maps: jax.Array, entries: int, fewest_positions: int) -> int:
    """Return the number of equal parts of the batch for which a part fits in the cache.

    A position has so many entries of bfloat16. The number is 1 where the batch size is unknown, as
    in an exported network.
    """
    batch, height, width, _ = maps.shape
    if not isinstance(batch, int):
        return 1
    positions = batch * height * width
    most = min(MOST_PARTS, 2 * positions * entries // PART_BYTES, positions // fewest_positions)
    return max((n for n in range(1, most + 1) if batch % n == 0), default=1)


def _border(size: int, padding: str) -> tuple[int, int]:
    return (0, 0) if padding == "valid" else ((size - 1) // 2, size // 2)


def _with_border(bits: jax.Array, border: tuple[int, int]) -> jax.Array:
    if border == (0, 0):
        return bits
    # without the barrier each window reads the border anew
    return lax.optimization_barrier(jnp.pad(bits, ((0, 0), border, border, (0, 0))))


def _windows(bits: jax.Array, size: int, is_by_row: bool) -> list[jax.Array]:
    """Return a matrix (positions, entries) for each row, or each entry, of a kernel."""
    height, width = (side - size + 1 for side in bits.shape[1:3])
    columns = [bits[:, :, first : first + width] for first in range(size)]
    if is_by_row:
        columns = [lax.optimization_barrier(jnp.concatenate(columns, axis=-1))]
    windows = [
        lax.optimization_barrier(column[:, first : first + height])
        for first in range(size)
        for column in columns
    ]
    return [_from_bits(window).reshape(-1, window.shape[-1]) for window in windows]


def _sum_of_products(windows: list[jax.Array], matrices: jax.Array, axis: int = 0) -> jax.Array:
    products = [_product(x, y, axis) for x, y in zip(windows, matrices, strict=True)]
    return functools.reduce(jnp.add, products)


def _product(left: jax.Array, right: jax.Array, axis: int = 0) -> jax.Array:
    """Return left @ right in float32, or left @ right.T with axis 1.

    The barrier keeps XLA from transposing the operands where the product is transposed.
    """
    dimensions = (((1,), (axis,)), ((), ()))
    return lax.optimization_barrier(
        lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)
    )


def _row_by_row(bits: jax.Array) -> jax.Array:
    """Return an array that was transposed so that its rows lie side by side in memory.

    XLA would take the transposed array as it is, and then multiply in float32.
    """
    return lax.optimization_barrier(bits.reshape(-1)).reshape(bits.shape)


def _to_bits(x: jax.Array) -> jax.Array:
    return lax.bitcast_convert_type(x, jnp.uint16)


def _from_bits(bits: jax.Array) -> jax.Array:
    return lax.bitcast_convert_type(bits, jnp.bfloat16)

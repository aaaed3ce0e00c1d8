"""Pooling over windows, in the form that XLA runs fastest for each kind of window.

No form uses XLA's window reduction: it is several times slower on a CPU.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.switch import uses_cpu_forms

FEW_CHANNELS = 32  # up to so many, `_max_of_four` is faster on a CPU
MOST_ENTRIES = 2**21  # of the matrix by which `average_pool` sums overlapping windows, 8 MiB


def output_sizes(sizes: tuple[int, ...], window: int, stride: int, padding: str) -> tuple[int, ...]:
    """Return the output's sides of a convolution or pool; 0 or less if the window does not fit."""
    if padding == "same":
        return tuple(-(-size // stride) for size in sizes)
    return tuple((size - window) // stride + 1 for size in sizes)


def max_pool(x: jax.Array, window: int, stride: int, padding: str) -> jax.Array:
    """Return the maximum of each window.

    (batch, height, width, channels) -> (batch, height', width', channels).

    The maximum is taken over rows, then over columns, entry by entry. If a window has several
    largest entries, they share the gradient. In XLA's window reduction the first one takes it all.

    `jnp.max` over an axis would not do: its gradient divides by the number of entries that equal
    the maximum. XLA may compute the input twice, with different rounding. Then no entry equals the
    maximum, and the gradient is 0/0.
    """
    has_cpu_forms = uses_cpu_forms()
    if has_cpu_forms and x.dtype == jnp.bfloat16:
        # XLA computes each step in float32, and converts in between
        return max_pool(x.astype(jnp.float32), window, stride, padding).astype(x.dtype)
    if window == stride and (padding == "valid" or _fits(x, window)):
        is_narrow = window == 2 and x.shape[-1] <= FEW_CHANNELS
        if is_narrow and has_cpu_forms:
            return _max_of_four(x)
        return _over_windows(jnp.maximum, x, window)
    if padding == "same":
        borders = lax.padtype_to_pads(x.shape[1:3], (window, window), (stride, stride), "SAME")
        x = jnp.pad(x, ((0, 0), *borders, (0, 0)), constant_values=-jnp.inf)
    maxima = _cpu_maxima if has_cpu_forms else _maxima
    batch, height, width, channels = x.shape
    # a row's columns and channels lie side by side in memory: a CPU compares many at a time
    x = maxima(x.reshape(batch, height, width * channels), window, stride)
    height = x.shape[1]
    x = maxima(x.reshape(batch * height, width, channels), window, stride)
    return x.reshape(batch, height, -1, channels)


def _shifted(x: jax.Array, window: int, stride: int) -> list[jax.Array]:
    """Return the entries of windows along the middle axis: all first ones, all second ones, ….

    Each array is (batch, windows, entries).
    """
    span = (x.shape[1] - window) // stride * stride + 1
    return [lax.slice_in_dim(x, i, i + span, stride, axis=1) for i in range(window)]


def _maxima(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Return maxima along the middle axis: (batch, length, entries) -> (batch, length', entries).

    The value is a plain maximum, which passes no gradient on. Zeros are added to it, which pass the
    gradient to the largest entries in equal shares. A chain of maxima would pass unequal shares to
    tied entries.
    """
    entries = _shifted(x, window, stride)
    are_largest = _are_largest(entries)
    zeros = [
        jnp.where(is_largest & jnp.isfinite(entry), entry - lax.stop_gradient(entry), 0)
        for entry, is_largest in zip(entries, are_largest, strict=True)
    ]
    num_largest = sum(is_largest.astype(x.dtype) for is_largest in are_largest)
    return lax.stop_gradient(functools.reduce(jnp.maximum, entries)) + sum(zeros) / num_largest


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _cpu_maxima(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Return the same as `_maxima`, with a gradient written by hand.

    With windows of three, it takes a quarter to a half of the time of the derived gradient.
    """
    return functools.reduce(jnp.maximum, _shifted(x, window, stride))


def _maxima_forward(x, window, stride):
    return _cpu_maxima(x, window, stride), x


def _maxima_backward(window, stride, x, gradient):
    shares = _shares(_shifted(x, window, stride), gradient)
    span = (gradient.shape[1] - 1) * stride + 1
    zero = jnp.zeros((), x.dtype)
    parts = [
        lax.pad(share, zero, [(0, 0, 0), (i, x.shape[1] - i - span, stride - 1), (0, 0, 0)])
        for i, share in enumerate(shares)
    ]
    return (sum(parts),)


_cpu_maxima.defvjp(_maxima_forward, _maxima_backward)


def _shares(entries: list[jax.Array], gradient: jax.Array) -> list[jax.Array]:
    """Return the gradient of each entry from that of the maximum; the largest ones share it."""
    if len(entries) == 2:
        first, second = entries
        tie = jnp.where(first == second, gradient / 2, 0)
        return [jnp.where(first > second, gradient, tie), jnp.where(second > first, gradient, tie)]
    are_largest = _are_largest(entries)
    share = gradient / sum(is_largest.astype(gradient.dtype) for is_largest in are_largest)
    return [jnp.where(is_largest, share, 0) for is_largest in are_largest]


def _are_largest(entries: list[jax.Array]) -> list[jax.Array]:
    """Return for each entry whether no other is larger.

    Entries are compared with each other, not with the maximum. XLA may compute the maximum a
    second time with other rounding, and then no entry equals it.
    """
    return [
        functools.reduce(jnp.logical_and, [entry >= other for other in entries])
        for entry in entries
    ]


def _max_of_four(x: jax.Array) -> jax.Array:
    """Return the maxima of 2x2 windows that do not overlap: over rows, then over columns.

    On large maps its gradient takes a third to four fifths of the time of XLA's derivative.
    """
    batch, height, width, channels = x.shape
    rows, columns = height // 2, width // 2
    x = x[:, : rows * 2, : columns * 2].reshape(batch, rows, 2, columns * 2 * channels)
    x = _larger(x, _interleave).reshape(batch, rows * columns, 2, channels)
    return _larger(x, jnp.stack).reshape(batch, rows, columns, channels)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _larger(x: jax.Array, join: Callable) -> jax.Array:
    """Return the larger of each pair: (batch, pairs, 2, entries) -> (batch, pairs, entries).

    `join` stacks the gradients of the first and of the second entries, each
    (batch, pairs, entries), along an axis.
    """
    del join
    return jnp.maximum(x[:, :, 0], x[:, :, 1])


def _larger_forward(x, join):
    return _larger(x, join), x


def _larger_backward(join, x, gradient):
    parts = _shares([x[:, :, 0], x[:, :, 1]], gradient)
    return (join(parts, axis=2),)


_larger.defvjp(_larger_forward, _larger_backward)


def _interleave(parts: list[jax.Array], axis: int) -> jax.Array:
    """Return `jnp.stack` of two arrays, in a form that XLA fuses with what follows."""
    first, second = (jnp.expand_dims(part, axis) for part in parts)
    shape = jnp.broadcast_shapes(first.shape, (2, 1))
    return jnp.where(lax.broadcasted_iota(jnp.int32, shape, axis) == 0, first, second)


def average_pool(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Return the mean of each "valid" window, summed in float32; shapes as in `max_pool`.

    Windows that overlap are summed by a product with a matrix of 0 and 1, (position, window). On a
    CPU, for maps of 10x10x1024, the product and its gradient were five to ten times faster than
    those of XLA's window reduction. The matrix grows with the fourth power of the side. So large
    maps are summed over rows, then over columns, which is slower for small ones.
    """
    sum_dtype = jnp.promote_types(x.dtype, jnp.float32)
    if window == stride:
        return (_over_windows(jnp.add, x.astype(sum_dtype), window) / window**2).astype(x.dtype)
    batch, *sides, channels = x.shape
    rows, columns = (_membership(side, window, stride) for side in sides)
    einsum = functools.partial(jnp.einsum, preferred_element_type=sum_dtype)
    if rows.size * columns.size > MOST_ENTRIES:
        by_row = einsum("bhwc,hr->brwc", x, rows.astype(x.dtype))
        total = einsum("brwc,wk->brkc", by_row, columns.astype(sum_dtype))
    else:
        membership = np.kron(rows, columns).astype(x.dtype)
        total = einsum("bpc,pw->bwc", x.reshape(batch, -1, channels), membership)
        total = total.reshape(batch, rows.shape[1], columns.shape[1], channels)
    return (total / window**2).astype(x.dtype)


def _membership(side: int, window: int, stride: int) -> np.ndarray:
    """Return which position along a side lies in which window: bool (position, window)."""
    first = np.arange(0, side - window + 1, stride)
    position = np.arange(side)[:, None]
    return (position >= first) & (position < first + window)


def _fits(x: jax.Array, window: int) -> bool:
    return all(side % window == 0 for side in x.shape[1:3])


def _over_windows(combine: Callable, x: jax.Array, window: int) -> jax.Array:
    """Combine windows that do not overlap, over rows and then over columns, entry by entry.

    On a CPU that is three times faster than a reduction. Rows and columns that fill no window are
    cut off.
    """
    batch, height, width, channels = x.shape
    rows, columns = height // window, width // window
    x = x[:, : rows * window, : columns * window]
    x = x.reshape(batch, rows, window, columns, window, channels)
    x = functools.reduce(combine, [x[:, :, i] for i in range(window)])
    return functools.reduce(combine, [x[:, :, :, i] for i in range(window)])

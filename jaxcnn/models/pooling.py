"""Pooling over windows, in the form that XLA runs fastest for each kind of window."""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def output_sizes(sizes: tuple[int, ...], window: int, stride: int, padding: str) -> tuple[int, ...]:
    """The sizes after a window of a convolution or a pool; 0 or less where it does not fit."""
    if padding == "same":
        return tuple(-(-size // stride) for size in sizes)
    return tuple((size - window) // stride + 1 for size in sizes)


def max_pool(x: jax.Array, window: int, stride: int, padding: str) -> jax.Array:
    """Maximum over windows: (batch, height, width, channels) -> (batch, height', width', channels).

    Windows that don't overlap, and 3x3 windows at stride 1, are a maximum over rows, then over
    columns, entry by entry. That is several times faster on a CPU, gradient included, than XLA's
    window reduction; and unlike the gradient of `max` over an axis, which divides by the number of
    entries that equal it, it cannot become 0/0 where XLA computes the input twice. Where a window
    has several largest entries, these share the gradient; in XLA's form the first one takes it all.
    """
    fits = all(size % window == 0 for size in x.shape[1:3])
    if window == stride and (padding == "valid" or fits):
        windows = _windows(x, window)
        rows = functools.reduce(jnp.maximum, [windows[:, :, i] for i in range(window)])
        return functools.reduce(jnp.maximum, [rows[:, :, :, i] for i in range(window)])
    if stride == 1 and window > 2:
        return _running_max(_running_max(x, 1, window, padding), 2, window, padding)
    return _reduce_window(x, -jnp.inf, lax.max, window, stride, padding)


def average_pool(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Mean over "valid" windows, summed in float32: shapes as in `max_pool`."""
    if window == stride:
        return _windows(x, window).mean(axis=(2, 4))
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    total = _reduce_window(wide, 0.0, lax.add, window, stride, "valid")
    return (total / window**2).astype(x.dtype)


def _windows(x: jax.Array, window: int) -> jax.Array:
    """(batch, rows, window, columns, window, channels); what fills no window is cut off."""
    batch, height, width, channels = x.shape
    rows, columns = height // window, width // window
    x = x[:, : rows * window, : columns * window]
    return x.reshape(batch, rows, window, columns, window, channels)


def _running_max(x: jax.Array, axis: int, window: int, padding: str) -> jax.Array:
    if padding == "same":
        border = [(0, 0)] * x.ndim
        border[axis] = ((window - 1) // 2, window // 2)
        x = jnp.pad(x, border, constant_values=-jnp.inf)
    size = x.shape[axis] - window + 1
    shifted = [lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(window)]
    return functools.reduce(jnp.maximum, shifted)


def _reduce_window(x, start, combine, window: int, stride: int, padding: str) -> jax.Array:
    sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, start, combine, sizes, strides, padding.upper())

"""Depthwise convolution as a weighted sum of shifted images: the fastest form on a CPU."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.pooling import output_sizes


def depthwise_conv(x: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    """Convolve each channel with its own kernel; "same" pads as XLA does.

    XLA's grouped convolution takes two to four times as long on a CPU, gradients included. This
    form is plain `jnp`, so it is the same on every platform. The sum has at least the precision of
    float32.

    Args:
      x: (batch, height, width, channels).
      kernel: (size, size, 1, channels).
      stride: the step between two windows, in both directions.
      padding: "valid" or "same".

    Returns:
      (batch, height', width', channels), of x's dtype.
    """
    size = kernel.shape[0]
    sizes = output_sizes(x.shape[1:3], size, stride, padding)
    if padding == "same":
        borders = lax.padtype_to_pads(x.shape[1:3], (size, size), (stride, stride), "SAME")
        x = jnp.pad(x, ((0, 0), *borders, (0, 0)))
    row_span, column_span = (stride * (n - 1) + 1 for n in sizes)
    sum_dtype = jnp.promote_types(x.dtype, jnp.float32)
    total = sum(
        x[:, i : i + row_span : stride, j : j + column_span : stride].astype(sum_dtype)
        * kernel[i, j, 0]
        for i in range(size)
        for j in range(size)
    )
    return jnp.asarray(total).astype(x.dtype)

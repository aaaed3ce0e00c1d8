"""The matrix product of a dense layer."""

import jax
import jax.numpy as jnp

from jaxcnn.ops import cpu_bfloat16
from jaxcnn.ops.convolution import convolve
from jaxcnn.ops.switch import uses_cpu_forms


def multiply(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the product of (batch, inputs) and (inputs, outputs), in the dtype of both."""
    if x.dtype == jnp.bfloat16 and uses_cpu_forms() and cpu_bfloat16.has_instructions():
        return convolve(x[:, None, None], kernel[None, None], 1, "valid")[:, 0, 0]
    return x @ kernel

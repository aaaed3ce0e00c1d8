"""XLA's own convolution, and the triple of functions that any form of a convolution consists of."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Forms(NamedTuple):
    """A convolution of stride 1 and its two gradients.

    Attributes:
      forward: `(images, kernel, padding) -> maps`, shapes as in `convolution.convolve`.
      image_gradient: `(images, kernel, gradient, padding) -> array`, shaped like the images;
        `gradient` is that of the maps, (batch, height', width', outputs).
      kernel_gradient: the same arguments; shaped like the kernel.
    """

    forward: Callable
    image_gradient: Callable
    kernel_gradient: Callable


def by_xla(images: jax.Array, kernel: jax.Array, padding: str, stride: int = 1) -> jax.Array:
    """Return XLA's convolution; shapes as in `convolution.convolve`."""
    return lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(stride, stride),
        padding=padding.upper(),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def with_derived_gradients(forward: Callable) -> Forms:
    """Return the forms of a forward function whose gradients JAX derives."""

    def image_gradient(images, kernel, gradient, padding):
        return jax.linear_transpose(lambda x: forward(x, kernel, padding), images)(gradient)[0]

    def kernel_gradient(images, kernel, gradient, padding):
        return jax.linear_transpose(lambda x: forward(images, x, padding), kernel)(gradient)[0]

    return Forms(forward, image_gradient, kernel_gradient)


XLA = with_derived_gradients(by_xla)


def pad_same(images: jax.Array, size: int, padding: str) -> jax.Array:
    """Return the images with the zeros that "same" adds for a kernel of this size at stride 1."""
    if padding == "valid":
        return images
    border = ((size - 1) // 2, size // 2)
    return jnp.pad(images, ((0, 0), border, border, (0, 0)))


def rotate(kernel: jax.Array) -> jax.Array:
    """Return the kernel of the image gradient: rotated by 180 degrees, inputs and outputs swapped.

    (size, size, inputs, outputs) -> (size, size, outputs, inputs).
    """
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)

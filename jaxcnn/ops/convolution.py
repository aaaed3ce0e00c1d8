"""Convolution: the same sums on every platform, in the form that each adds up fastest."""

import functools
from collections.abc import Callable

import jax
from jax import lax

from jaxcnn.ops.cpu_choice import cpu_forms
from jaxcnn.ops.switch import uses_cpu_forms
from jaxcnn.ops.xla_convolution import XLA, Forms, by_xla


def convolve(images: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    """Cross-correlate: (batch, height, width, inputs) -> (batch, height', width', outputs).

    Args:
      images: of the compute dtype.
      kernel: (size, size, inputs, outputs), of the same dtype.
      stride: of both axes.
      padding: "valid" or "same" (XLA's).
    """
    if kernel.shape[0] == 1:
        images, stride = images[:, ::stride, ::stride], 1
    if stride > 1 or not uses_cpu_forms():
        return by_xla(images, kernel, padding, stride)
    return _cpu_convolve(images, kernel, padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cpu_convolve(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Convolve at stride 1: with the CPU's forms on a CPU, by XLA's convolution elsewhere."""
    forward = functools.partial(cpu_forms(images, kernel, padding).forward, padding=padding)
    default = functools.partial(by_xla, padding=padding)
    return lax.platform_dependent(images, kernel, cpu=forward, default=default)


def _forward(images, kernel, padding):
    return _cpu_convolve(images, kernel, padding), (images, kernel)


def _backward(padding, saved, gradient):
    def gradients(forms: Forms) -> Callable:
        return lambda *arrays: tuple(form(*arrays, padding) for form in forms[1:])

    cpu, default = gradients(cpu_forms(*saved, padding)), gradients(XLA)
    return lax.platform_dependent(*saved, gradient, cpu=cpu, default=default)


_cpu_convolve.defvjp(_forward, _backward)

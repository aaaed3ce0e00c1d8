"""The form of a convolution that a CPU computes fastest, by the layer's shapes.

XLA's convolution comes close to the speed of a matrix product with many channels; Winograd's form
then takes half of the operations. XLA is slow with a few channels, in the kernel's gradient, and
where most of a kernel meets the padding (a hundred times slower if it is larger than the map).
In bfloat16, on a CPU with instructions for it, matrix products are mostly the fastest form.

Thresholds were measured on two cores of an AMD EPYC (family 25) with jax 0.10.2: each layer alone
on one core by `python benchmarks/convolution.py`, then in whole training steps by
`python benchmarks/step_times.py`. Those of bfloat16 were measured on an Intel Xeon with AMX.
"""

import math

import jax
import jax.numpy as jnp

from jaxcnn.ops import cpu_bfloat16
from jaxcnn.ops.cpu_convolution import (
    Shaped,
    axis_taps,
    by_groups,
    by_product,
    by_strips,
    by_taps,
    image_gradient_by_same,
    image_gradient_by_taps,
    in_parts,
    kernel_gradient_by_product,
    kernel_gradient_by_taps,
    num_parts,
)
from jaxcnn.ops.cpu_winograd import (
    by_winograd,
    image_gradient_by_winograd,
    kernel_gradient_by_winograd,
)
from jaxcnn.ops.xla_convolution import XLA, Forms, with_derived_gradients

FEW_CHANNELS = 4  # inputs of a network's first layer, up to here
SOME_OUTPUTS = 48  # from here on XLA's form of a first layer is the fastest
MANY_CHANNELS = 32  # from here on, for inputs and outputs, Winograd's form is faster
# products of inputs and outputs
FEW_PAIRS = 256  # up to here `by_groups` is faster than XLA's form
SOME_PAIRS = 1024  # below it the batch is taken in parts
MANY_PAIRS = 80**2  # from here on Winograd's gradient of the kernel is faster
TAPS_PAIRS = 64**2  # from here on `by_taps` is faster if the kernel is mostly outside
WIDE_ROW = 32  # numbers of bfloat16 in a row of Intel AMX, and in a register of AVX-512
MOSTLY_OUTSIDE = 0.61  # the share of a kernel's uses inside the image, at most

IN_PARTS = in_parts(XLA._replace(image_gradient=image_gradient_by_same))
LARGE = XLA._replace(kernel_gradient=IN_PARTS.kernel_gradient)
WINOGRAD = Forms(by_winograd, image_gradient_by_winograd, kernel_gradient_by_winograd)
HALF_WINOGRAD = WINOGRAD._replace(kernel_gradient=IN_PARTS.kernel_gradient)
PRODUCT = with_derived_gradients(by_product)._replace(kernel_gradient=kernel_gradient_by_product)
TAPS = Forms(by_taps, image_gradient_by_taps, kernel_gradient_by_taps)
GROUPS_IN_PARTS = in_parts(with_derived_gradients(by_groups))
STRIPS_IN_PARTS = in_parts(with_derived_gradients(by_strips))


def cpu_forms(images: Shaped, kernel: Shaped, padding: str) -> Forms:
    """Return the fastest forms at stride 1; arguments as in `convolution.convolve`."""
    size, _, inputs, outputs = kernel.shape
    if images.dtype == jnp.bfloat16 and cpu_bfloat16.has_instructions():
        return _bfloat16_forms(images, kernel, padding)
    sides, pairs = images.shape[1:3], inputs * outputs
    if size == 1:
        return PRODUCT
    is_outside = _share_inside(size, sides, padding) < MOSTLY_OUTSIDE and pairs >= TAPS_PAIRS
    if size > min(sides) or is_outside:
        return TAPS
    if inputs <= FEW_CHANNELS:
        return _first_layer_forms(size, inputs, outputs)
    if pairs <= FEW_PAIRS:
        is_large = size == 3 and num_parts(images, outputs) > 1
        image_gradient = (IN_PARTS if is_large else STRIPS_IN_PARTS).image_gradient
        return IN_PARTS._replace(forward=GROUPS_IN_PARTS.forward, image_gradient=image_gradient)
    if pairs < SOME_PAIRS:
        return IN_PARTS
    is_precise = jnp.finfo(images.dtype).bits >= 32  # Winograd's sums cost a few bits
    if size == 3 and min(inputs, outputs) >= MANY_CHANNELS and is_precise:
        return WINOGRAD if pairs >= MANY_PAIRS else HALF_WINOGRAD
    return LARGE


def _bfloat16_forms(images: Shaped, kernel: Shaped, padding: str) -> Forms:
    """Return the forms for a CPU with instructions for products of bfloat16 matrices."""
    size, _, inputs, outputs = kernel.shape
    wide = (jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in (images, kernel))
    forms, products = cpu_bfloat16.in_float32(cpu_forms(*wide, padding)), cpu_bfloat16.PRODUCTS
    if inputs * outputs >= SOME_PAIRS and inputs > FEW_CHANNELS:
        return products
    if size * inputs >= WIDE_ROW:
        return forms._replace(kernel_gradient=products.kernel_gradient)
    return forms


def _first_layer_forms(size: int, inputs: int, outputs: int) -> Forms:
    if outputs >= SOME_OUTPUTS:
        return LARGE
    return Forms(
        (STRIPS_IN_PARTS if inputs == 1 else GROUPS_IN_PARTS).forward,
        STRIPS_IN_PARTS.image_gradient,
        (IN_PARTS if size == 3 else GROUPS_IN_PARTS).kernel_gradient,
    )


def _share_inside(size: int, sides: tuple[int, ...], padding: str) -> float:
    """Return the share of the uses of a kernel's entries that don't meet the padding."""
    if padding == "valid":
        return 1.0
    inside = (sum(y.stop - y.start for _, y, _ in axis_taps(size, side)) for side in sides)
    return math.prod(inside) / math.prod(size * side for side in sides)

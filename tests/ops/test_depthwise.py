"""The depthwise convolution against XLA's grouped one, and as a layer in the summary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Scope
from jaxcnn.nn.layers import DepthwiseConv
from jaxcnn.ops.depthwise import depthwise_conv

CASES = [
    (3, 1, "same", (7, 6)),
    (3, 2, "same", (7, 6)),
    (3, 2, "same", (8, 8)),
    (2, 2, "same", (7, 6)),
    (5, 1, "same", (3, 4)),
    (3, 1, "valid", (7, 6)),
    (3, 2, "valid", (8, 9)),
]


def grouped(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding.upper(),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def arrays(sides, size):
    rng = np.random.default_rng(0)
    shapes = ((2, *sides, 5), (size, size, 1, 5))
    return [jnp.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes]


@pytest.mark.parametrize("size, stride, padding, sides", CASES)
def test_values_and_gradients_are_those_of_a_grouped_convolution(size, stride, padding, sides):
    x, kernel = arrays(sides, size)

    def both(function):
        def loss(x, kernel):
            out = function(x, kernel, stride, padding)
            return jnp.sum(jnp.sin(out)), out

        (_, out), grads = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, kernel)
        return out, *grads

    for ours, theirs in zip(both(depthwise_conv), both(grouped), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_bfloat16_images_are_summed_in_float32():
    x, kernel = arrays((6, 6), 3)
    x = x.astype(jnp.bfloat16)
    out = depthwise_conv(x, kernel, 1, "same")
    exact = depthwise_conv(x.astype(jnp.float32), kernel, 1, "same")
    assert out.dtype == jnp.bfloat16
    np.testing.assert_array_equal(out, exact.astype(jnp.bfloat16))


def test_the_layer_counts_a_window_for_each_channel():
    layer = DepthwiseConv(3, stride=2, padding="same", name="deep")
    assert layer.build((9, 8, 5), Scope().child("deep")) == (5, 4, 5)
    ((row,), _) = layer.rows(("images",))
    assert (row.kind, row.details, row.parameters) == (
        "DepthwiseConv",
        "3x3, stride 2, same",
        9 * 5 + 5,
    )
    assert row.flops == 2 * 9 * (5 * 4) * 5
    assert layer(jnp.zeros((2, 9, 8, 5)), Context()).shape == (2, 5, 4, 5)


def test_he_normal_counts_the_window_alone_as_inputs():
    layer = DepthwiseConv(3, initializer="he_normal", name="deep")
    layer.build((3, 3, 4000), Scope().child("deep"))
    assert np.std(layer.kernel[...]) == pytest.approx((2 / 9) ** 0.5, rel=0.02)

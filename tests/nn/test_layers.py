"""Convolutions, dense layers and pools against XLA's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.nn import layers
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import ImageSizeError, Scope


def built(layer, shape, seed=0):
    layer.name = layer.name or layer.kind
    layer.build(shape, Scope(seed).child(layer.name))
    return layer


def images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


@pytest.mark.parametrize("size, stride, padding", [(1, 1, "valid"), (1, 2, "same"), (3, 2, "same")])
def test_conv(size, stride, padding):
    x = images(2, 7, 6, 3)
    layer = built(layers.Conv(4, size, stride=stride, padding=padding), (7, 6, 3))
    layer.bias.set_value(jnp.arange(4.0))
    expected = lax.conv_general_dilated(
        x,
        layer.kernel[...],
        (stride, stride),
        padding.upper(),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    out = layer(x, Context())
    assert out.shape[1:] == layer.output_shape
    np.testing.assert_allclose(out, expected + jnp.arange(4.0), atol=1e-5)


def test_a_bias_s_gradient_is_summed_in_float32():
    """50,176 ones: bfloat16 would stop to count at some hundreds."""
    layer = built(layers.Conv(4, 5), (32, 32, 3))
    graph, bias, rest = nnx.split(layer, nnx.PathContains("bias"), ...)

    def total(bias):
        out = nnx.merge(graph, bias, rest)(images(64, 32, 32, 3).astype(jnp.bfloat16), Context())
        assert out.dtype == jnp.bfloat16
        return out.astype(jnp.float32).sum()

    gradient = jax.jit(jax.grad(total))(bias)
    np.testing.assert_allclose(jax.tree.leaves(gradient)[0], 64 * 28 * 28, rtol=1e-3)


def test_a_bias_can_be_left_out():
    x = images(2, 5, 5, 3)
    layers_ = [built(layers.Conv(4, 3, use_bias=use), (5, 5, 3)) for use in (True, False)]
    np.testing.assert_array_equal(*(layer(x, Context()) for layer in layers_))  # it starts at 0
    counts = [layer.rows(())[0][0].parameters for layer in layers_]
    assert counts == [4 * 27 + 4, 4 * 27]


def test_dense_applies_its_activation():
    x = images(3, 5)
    layer = built(layers.Dense(4, activation="elu"), (5,))
    expected = jax.nn.elu(x @ layer.kernel[...])
    np.testing.assert_allclose(layer(x, Context()), expected, atol=1e-6)


def test_leaky_relu_has_keras_slope():
    layer = built(layers.Activation("leaky_relu"), (1,))
    np.testing.assert_allclose(layer(jnp.array([[-1.0], [2.0]]), Context()), [[-0.01], [2.0]])


WINDOWS = [(2, 2, "valid"), (2, 1, "valid"), (3, 2, "valid"), (3, 1, "same"), (3, 1, "valid")]


@pytest.mark.parametrize("channels", [3, 33])
@pytest.mark.parametrize("size, stride, padding", [*WINDOWS, (2, 2, "same")])
def test_max_pool_and_its_gradient(size, stride, padding, channels):
    x = images(2, 9, 8, channels)
    layer = built(layers.MaxPool(size, stride=stride, padding=padding), (9, 8, channels))
    sizes, strides = (1, size, size, 1), (1, stride, stride, 1)

    def expected(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, sizes, strides, padding.upper())

    @jax.jit
    def both(x):
        functions = (lambda x: layer(x, Context()), expected)
        gradients = (jax.grad(lambda x, f=f: (f(x) ** 3).sum())(x) for f in functions)
        return [f(x) for f in functions], list(gradients)

    outputs, gradients = both(x)
    assert outputs[1].shape[1:] == layer.output_shape
    np.testing.assert_array_equal(*outputs)
    np.testing.assert_allclose(*gradients, rtol=1e-6)


@pytest.mark.parametrize("size, stride", [(2, 2), (2, 1), (3, 3)])
def test_equal_entries_of_a_max_pool_share_its_gradient(size, stride):
    layer = built(layers.MaxPool(size, stride=stride), (size, size, 1))
    grad = jax.grad(lambda x: layer(x, Context()).sum())(jnp.zeros((1, size, size, 1)))
    assert (grad > 0).all() and grad.sum() == 1
    one_larger = jnp.zeros((1, size, size, 1)).at[0, 1, 0].set(1)
    grad = jax.grad(lambda x: layer(x, Context()).sum())(one_larger)
    np.testing.assert_array_equal(grad, one_larger)


def test_a_padded_pool_that_needs_no_padding_is_the_plain_one():
    x = images(2, 8, 6, 3)
    plain, padded = (
        built(layers.MaxPool(2, padding=padding), (8, 6, 3)) for padding in ("valid", "same")
    )
    np.testing.assert_array_equal(plain(x, Context()), padded(x, Context()))


def test_global_average_pool_sums_in_float32():
    layer = built(layers.GlobalAveragePool(), (20, 20, 2))
    x = images(3, 20, 20, 2)
    assert layer.output_shape == (2,)
    np.testing.assert_allclose(layer(x, Context()), np.mean(x, axis=(1, 2)), atol=1e-6)
    many = jnp.full((1, 20, 20, 2), 1.0078125, jnp.bfloat16)
    np.testing.assert_array_equal(layer(many, Context()).astype(np.float32), [[1.0078125] * 2])


@pytest.mark.parametrize("size, stride", [(2, 2), (5, 3), (7, 1)])
def test_average_pool(size, stride):
    x = images(2, 9, 8, 3)
    layer = built(layers.AveragePool(size, stride=stride), (9, 8, 3))
    total = lax.reduce_window(x, 0.0, lax.add, (1, size, size, 1), (1, stride, stride, 1), "VALID")
    assert total.shape[1:] == layer.output_shape
    np.testing.assert_allclose(layer(x, Context()), total / size**2, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_an_average_pool_of_a_large_map_needs_no_large_matrix(dtype):
    x = images(1, 90, 70, 2).astype(dtype)
    layer = built(layers.AveragePool(3, stride=2), (90, 70, 2))
    summed = jax.jit(lambda x: layer(x, Context()))
    constants = jax.make_jaxpr(summed)(x).jaxpr.eqns[0].params["jaxpr"].consts
    assert sum(array.size for array in constants) < 10_000  # 44 * 34 windows of 90 * 70 pixels
    wide, window, strides = x.astype(np.float32), (1, 3, 3, 1), (1, 2, 2, 1)
    total = lax.reduce_window(wide, 0.0, lax.add, window, strides, "VALID")
    assert summed(x).dtype == dtype
    tolerance = 1e-6 if dtype == np.float32 else 1e-2
    np.testing.assert_allclose(summed(x).astype(np.float32), total / 9, atol=tolerance)


def test_average_pool_sums_in_float32():
    x = jnp.full((1, 20, 20, 1), 1.0078125, jnp.bfloat16)  # 400 of them: bfloat16 sums stall at 256
    layer = built(layers.AveragePool(19, stride=1), (20, 20, 1))
    np.testing.assert_allclose(layer(x, Context()).astype(np.float32), 1.0078125)


def test_zero_pad_then_flatten():
    pad, flat = built(layers.ZeroPad(2), (1, 1, 1)), built(layers.Flatten(), (5, 5, 1))
    out = flat(pad(jnp.ones((1, 1, 1, 1)), Context()), Context())
    assert out.shape == (1, *flat.output_shape) == (1, 25)
    assert out.sum() == out[0, 12] == 1


def test_nothing_left_of_the_image():
    with pytest.raises(ImageSizeError, match="nothing is left of the image after conv"):
        built(layers.Conv(4, 5), (4, 9, 3))


def test_a_layer_stands_in_one_place():
    layer = built(layers.Dense(4), (4,))
    with pytest.raises(UserError, match="second time"):
        layer.build((4,), Scope().child("again"))

"""Initial values: their distributions, and that they depend on seed and path alone."""

import math

import numpy as np
import pytest

from jaxcnn.nn import initializers, layers
from jaxcnn.nn.layer import Scope

SHAPE = (3, 3, 64, 128)
FAN_IN, FAN_OUT = 9 * 64, 9 * 128


def kernel(rule, seed=0, path="conv1/kernel"):
    make, _ = initializers.kernel_and_bias(rule, FAN_IN, FAN_OUT)
    return make(initializers.generator(seed, path), SHAPE)


@pytest.mark.parametrize(
    "rule, std, largest",
    [
        ("glorot_uniform", math.sqrt(2 / (FAN_IN + FAN_OUT)), math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_normal", math.sqrt(2 / FAN_IN), 2 * math.sqrt(2 / FAN_IN) / 0.8796),
        ("lecun_normal", math.sqrt(1 / FAN_IN), 2 * math.sqrt(1 / FAN_IN) / 0.8796),
        ("torch_uniform", 1 / math.sqrt(3 * FAN_IN), 1 / math.sqrt(FAN_IN)),
    ],
)
def test_distributions(rule, std, largest):
    values = kernel(rule)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 * std
    assert values.std() == pytest.approx(std, rel=0.01)
    assert 0.99 * largest < np.abs(values).max() <= 1.001 * largest


def test_depends_on_seed_and_path():
    assert np.array_equal(kernel("he_normal"), kernel("he_normal"))
    assert not np.array_equal(kernel("he_normal"), kernel("he_normal", seed=1))
    assert not np.array_equal(kernel("he_normal"), kernel("he_normal", path="conv2/kernel"))


def test_layers_tell_the_fans():
    layer = layers.Conv(128, 3, initializer="glorot_uniform", name="conv1")
    layer.build((8, 8, 64), Scope(0).child("conv1"))
    assert np.array_equal(layer.kernel[...], kernel("glorot_uniform"))
    assert not layer.bias[...].any()


@pytest.mark.parametrize("size", [2, 3])
def test_filters_that_begin_as_the_identity(size):
    layer = layers.Conv(4, size, padding="same", use_bias=False, initializer="identity_first")
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 3), np.float32)
    out = layer.init((5, 6, 3), seed=0)(x)
    np.testing.assert_allclose(out[..., :3], x, atol=1e-6)


def test_torch_biases_are_drawn_too():
    layer = layers.Dense(4096, initializer="torch_uniform", name="dense")
    layer.build((64,), Scope(0).child("dense"))
    bias = np.asarray(layer.bias[...])
    assert 0.99 / 8 < np.abs(bias).max() <= 1 / 8
    assert bias.std() == pytest.approx(1 / 8 / math.sqrt(3), rel=0.05)

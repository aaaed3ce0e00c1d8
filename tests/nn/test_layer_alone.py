"""A layer of ours in a user's own `nnx.Module`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxcnn import nn
from jaxcnn.errors import UserError


class Mine(nnx.Module):
    def __init__(self):
        block = [nn.Conv(16, 3, padding="same"), nn.BatchNorm()]
        self.conv = nn.Conv(16, 3).init((8, 8, 3), seed=0)
        self.block = nn.Residual(block).init((6, 6, 16), seed=1)
        self.dropout = nn.Dropout(0.5).init((16,), seed=0)
        self.dense = nn.Dense(4).init((16,), seed=0)

    def __call__(self, x, key=None):
        x = nn.MaxPool(2)(jax.nn.relu(self.block(self.conv(x))))  # pools need no init
        return self.dense(self.dropout(x.mean((1, 2)), key=key))


class WithoutShape(nn.Layer):
    def setup(self, shape, scope):
        self.scale = nnx.Param(scope.create("scale", shape[-1:], lambda rng, shape: np.ones(shape)))

    def _forward(self, x, context):
        return x * self.scale[...]


class PlainArray(WithoutShape):
    def setup(self, shape, scope):
        self.scale = scope.create("scale", shape[-1:], lambda rng, shape: np.ones(shape))
        return shape


class WrongShape(WithoutShape):
    def setup(self, shape, scope):
        super().setup(shape, scope)
        return (2,)


class Failing(nn.Layer):
    def _forward(self, x, context):
        return x @ x


class WithoutForward(nn.Layer):
    def __call__(self, x):
        return 2 * x


class WithoutSuper(nn.Layer):
    def __init__(self, factor):
        self.factor = factor

    def _forward(self, x, context):
        return self.factor * x


def test_init_of_the_base_class_may_be_left_out():
    layer = WithoutSuper(3).init((8,), seed=0)
    np.testing.assert_array_equal(layer(np.ones((2, 8))), np.full((2, 8), 3.0))


def test_layers_in_a_module_of_the_user():
    model, x = Mine(), np.ones((5, 8, 8, 3), np.float32)
    assert model(x, key=jax.random.key(0)).shape == (5, 4)
    view = nnx.view(model, deterministic=True, use_running_average=True)
    assert view(x).shape == (5, 4)
    gradients = nnx.grad(lambda model: jnp.square(model(x, key=jax.random.key(0))).sum())(model)
    assert np.abs(gradients["block"]["main"]["conv1"]["kernel"][...]).max() > 0
    assert {type(v) for _, v in nnx.to_flat_state(nnx.state(model))} == {nnx.Param, nnx.BatchStat}


def test_a_seed_decides_the_values():
    first, same, other = (nn.Dense(4).init((3,), seed=seed).kernel[...] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: nn.Conv(4, 3)(np.ones((1, 8, 8, 3))), "make it with Conv(…).init(shape, seed=0)"),
        (lambda: nn.Sequential(nn.Dense(4))(np.ones((1, 8))), "this Sequential has no parameters"),
        (lambda: nn.Dense(4).init((8, 8, 3), seed=0), "dense takes inputs (features), not of"),
        (lambda: nn.Dense(4).init((8, 8, 3), seed=0), "put Flatten() before it"),
        (lambda: nn.Conv(4, 5).init((3, 3, 1), seed=0), "nothing is left of the image after conv"),
        (lambda: nn.Dense(4).init((8,), seed=0).init((8,), seed=0), "used a second time"),
        (lambda: WithoutShape().init((8,), seed=0), "WithoutShape.setup must return the output's"),
        (lambda: PlainArray().init((8,), seed=0), "write self.scale = nnx.Param(…)"),
        (lambda: WrongShape().init((8,), seed=0), "setup returns (2,), but the output is (8,)"),
        (lambda: Failing().init((8,), seed=0), "(Failing) does not take inputs of shape (8,)"),
        (lambda: WithoutForward().init((8,), seed=0), "has no method _forward(self, x, context)"),
        (lambda: nn.Conv(4, 3, padding="SAME"), "padding = 'SAME': allowed is one of valid, same"),
        (lambda: nn.MaxPool(2, padding="SAME"), "padding = 'SAME': allowed is one of valid, same"),
        (lambda: nn.Dense(4, activation="swish"), "activation = 'swish': allowed is one of linear"),
        (lambda: nn.Dense(4, initializer="zeros"), "initializer = 'zeros': allowed is one of glo"),
        (lambda: nn.Residual([], activation="tanh"), "activation = 'tanh': allowed is one of line"),
        (lambda: nn.Activation("tanh"), "function = 'tanh': allowed is one of linear, relu"),
    ],
)
def test_mistakes_are_answered_in_one_line(call, words):
    with pytest.raises(UserError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)

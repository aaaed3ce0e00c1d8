"""Layers of jaxcnn inside modules of Flax, and inside a user's own layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.models import Network
from jaxcnn.nn import AuxHead, AveragePool, Conv, Dense, Dropout, Flatten, FlaxModule, Sequential
from jaxcnn.nn.layer import Layer
from jaxcnn.nn.summary import summary


class TwoDropouts(nnx.Module):
    def __init__(self):
        self.first = Dropout(0.5).init((4000,), seed=0)
        self.second = Dropout(0.5).init((4000,), seed=1)

    def __call__(self, x, context=None):
        return self.second(self.first(x, context), context)


class DropoutsOfInit(Layer):
    def setup(self, shape, scope):
        self.inner = TwoDropouts()
        return shape

    def _forward(self, x, context):
        return self.inner(x, context)


class ConvModule(nnx.Module):
    def __init__(self):
        self.conv = Conv(8, 3, padding="same", l2=0.5).init((4, 4, 3), seed=0)

    def __call__(self, x):
        return self.conv(x)


class ConvLayer(Layer):
    """A convolution of jaxcnn and a product of its own."""

    def setup(self, shape, scope):
        self.conv = Conv(8, 3, padding="same", l2=0.5)
        shape = self.conv.build(shape, scope.child("conv"))
        self.mix = nnx.Param(scope.create("mix", (8, 8), lambda rng, shape: np.ones(shape, "f4")))
        return shape

    def _forward(self, x, context):
        return self.conv(x, context) @ self.mix[...]


class Gate(Sequential):
    """Layers with a parameter, a product and a layer beside them."""

    def __init__(self):
        super().__init__(Conv(8, 3, padding="same", l2=0.5))
        self.beside = Conv(8, 1, l2=0.5)

    def setup(self, shape, scope):
        self.beside.build(shape, scope.child("beside"))
        shape = super().setup(shape, scope)
        self.mix = nnx.Param(scope.create("mix", (8, 8), lambda rng, shape: np.ones(shape, "f4")))
        return shape

    def _forward(self, x, context):
        return super()._forward(x, context) @ self.mix[...] + self.beside(x, context)


CONV = 9 * 3 * 8 + 8, 2 * 16 * 9 * 3 * 8  # parameters and operations of the 3x3 convolution
MIX = 64, 2 * 16 * 64
BESIDE = 3 * 8 + 8, 2 * 16 * 3 * 8


def network(*lines, shape=(4, 4, 3), **options):
    lines = [*lines, Flatten(), Dense(4)]
    return Network(lines, name="n", num_classes=4, image_shape=shape, **options)


@pytest.mark.parametrize("held", [TwoDropouts(), DropoutsOfInit()])
def test_every_dropout_drops_units_of_its_own(held):
    model = network(Flatten(), Dropout(0.5), held, shape=(20, 20, 10))
    outputs = {}
    model(jnp.ones((8, 20, 20, 10)), key=jax.random.key(0), intermediates=outputs)
    kept = np.asarray(outputs[model.children[2].path])
    assert (kept > 0).mean() == pytest.approx(1 / 8, abs=0.01)
    assert kept.mean() == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize(
    ("line", "parts", "rows"),
    [
        (lambda: FlaxModule(ConvModule), [CONV], 3),
        (ConvLayer, [CONV, MIX], 3),
        (Gate, [CONV, MIX, BESIDE], 4),
    ],
)
def test_held_layers_count_in_the_summary(line, parts, rows, abstract):
    told, dense = summary(network(line(), abstract=abstract)), 128 * 4
    assert told.parameters == sum(parameters for parameters, _ in parts) + dense + 4
    assert told.trainable_parameters == told.parameters
    assert told.flops == sum(operations for _, operations in parts) + 2 * dense
    assert len(told.rows) == rows


@pytest.mark.parametrize("line", [lambda: FlaxModule(ConvModule), ConvLayer, Gate])
def test_l2_of_held_layers_is_in_the_loss(line):
    model = network(line())
    kernels = [
        variable[...]
        for path, variable in nnx.to_flat_state(nnx.state(model))
        if path[-1] == "kernel" and variable[...].ndim == 4
    ]
    expected = sum(0.5 * float(jnp.sum(kernel**2)) for kernel in kernels)
    assert len(kernels) in (1, 2)
    assert float(model.penalty()) == pytest.approx(expected, rel=1e-6)
    graph, state = nnx.split(model)
    gradients = jax.grad(lambda state: nnx.merge(graph, state).penalty())(state)
    assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(gradients)) > 0


def test_no_head_takes_the_place_of_the_last_logits():
    with pytest.raises(UserError, match='no AuxHead is named "main"'):
        network(AuxHead(Flatten(), Dense(4), name="main"))


class Shared(Layer):
    """A convolution that another layer may hold too."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def setup(self, shape, scope):
        if not self.conv.path:
            self.conv.build(shape, scope.child("conv"))
        return (*shape[:-1], 3)

    def _forward(self, x, context):
        return self.conv(x, context)


class Alias(Layer):
    """A block, and a second name for a layer in it."""

    def setup(self, shape, scope):
        self.block = Sequential(Conv(8, 3, padding="same", l2=0.5))
        self.a = self.block.children[0]
        return self.block.build(shape, scope.child("block"))

    def _forward(self, x, context):
        return self.block(x, context)


class ConvAndMore(Conv):
    def setup(self, shape, scope):
        self.inner = Conv(8, 1, l2=0.5)
        self.inner.build(shape, scope.child("inner"))
        return super().setup(shape, scope)

    def _forward(self, x, context):
        return super()._forward(x, context) + self.inner(x, context)


class Scaled(Layer):
    """A layer with its own term of the loss."""

    def setup(self, shape, scope):
        self.conv = Conv(8, 3, l2=0.5)
        return self.conv.build(shape, scope.child("conv"))

    def _forward(self, x, context):
        return self.conv(x, context)

    def penalty(self):
        return 7.0


def shared():
    conv = Conv(3, 3, padding="same", l2=0.5)
    return [Shared(conv), Shared(conv)]


@pytest.mark.parametrize(
    "lines", [shared, Alias, lambda: ConvAndMore(8, 3, padding="same", l2=0.5)]
)
def test_l2_of_each_kernel_counts_once(lines):
    model = network(lines())
    kernels = [v[...] for p, v in nnx.to_flat_state(nnx.state(model)) if p[-1] == "kernel"]
    expected = sum(0.5 * float(jnp.sum(kernel**2)) for kernel in kernels if kernel.ndim == 4)
    assert float(model.penalty()) == pytest.approx(expected, rel=1e-6) != 0


def test_a_layer_with_its_own_term_of_the_loss():
    assert float(network(Scaled()).penalty()) == 7


def test_a_shared_layer_counts_once_in_the_summary():
    told = summary(network(*shared()))
    assert told.parameters == 9 * 3 * 3 + 3 + 48 * 4 + 4
    assert all(row.name and row.parameters >= 0 for row in told.rows)


class Told(ConvLayer):
    def flops(self):
        return 7


def test_a_layer_tells_its_own_operations():
    assert [row.flops for row in summary(network(Told())).rows] == [7, 0, 2 * 128 * 4]


class Plain(Sequential):
    """Its layers, without a computation of its own."""


def test_a_subclass_without_a_computation_has_no_operations():
    pool = AveragePool(3, stride=2)
    told = summary(network(Plain(Conv(8, 3, padding="same"), pool)))
    assert [row.kind for row in told.rows] == ["Conv", "AveragePool", "Flatten", "Dense"]
    assert summary(network(ConvAndMore(8, 3, padding="same"))).flops == CONV[1] + BESIDE[1] + 1024


class OwnNames(Conv):
    """Holds what it likes under names that jaxcnn does not document."""

    def __init__(self):
        super().__init__(3, 3, padding="same")
        self.sizes = (1, 3)
        self.operations = (jnp.tanh,)

    def _forward(self, x, context):
        return self.operations[0](super()._forward(x, context))


def test_undocumented_names_are_free():
    model = network(OwnNames(), Conv(3, 1, name="join"), Conv(3, 1, name="operations"))
    assert summary(model).rows[0].flops > 0
    model(jnp.zeros((1, *model.image_shape)))

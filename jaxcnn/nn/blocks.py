"""Layers made of layers: chains, parallel branches, residual blocks, auxiliary heads."""

import collections
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.nn.layer import Context, Layer, Row, Scope, Shape
from jaxcnn.nn.layers import ACTIVATIONS
from jaxcnn.ops.residual import relu_of_sum


class Group(Layer):
    """A layer that holds other layers as attributes; their names begin their parameters' paths."""

    def adopt(self, layers: list[Layer]) -> None:
        """Hold these layers; those without a name are numbered by kind (conv1, conv2, …)."""
        numbers, names = collections.Counter(), []
        for layer in layers:
            if not layer.name:
                numbers[layer.kind] += 1
                layer.name = f"{layer.kind}{numbers[layer.kind]}"
            if hasattr(self, layer.name):
                raise ValueError(f"a second layer named {layer.name}")
            setattr(self, layer.name, layer)
            names.append(layer.name)
        self.names = tuple(names)

    @property
    def children(self) -> list[Layer]:
        """The layers in order."""
        return [getattr(self, name) for name in self.names]

    def penalty(self) -> jax.Array | float:
        """Return the sum of the layers' penalties."""
        return sum(layer.penalty() for layer in self.children)


def flatten(layers: Any) -> list[Layer]:
    """Return the layers of nested lists in order, so that a list of layers may stand for one."""
    if isinstance(layers, Layer):
        return [layers]
    return [layer for part in layers for layer in flatten(part)]


def call(layer: Layer, x: jax.Array, context: Context) -> jax.Array:
    """Return the layer's output, computed in a scope of its name, by which profiles know it."""
    with jax.named_scope(layer.name):
        return layer(x, context)


class Sequential(Group):
    """Layers one after another, given singly or in nested lists; the identity without any."""

    kind = "sequential"

    def __init__(self, *layers: Any, name: str = ""):
        super().__init__(name)
        self.adopt(flatten(layers))

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Build the layers; return the shape after the last one."""
        for layer in self.children:
            shape = layer.build(shape, scope.child(layer.name))
        return shape

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """Run each layer on the output of the one before."""
        for layer in self.children:
            x = call(layer, x, context)
            context.record(layer.path, x)
        return x

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the rows of the layers, each fed by the one before."""
        rows = []
        for layer in self.children:
            new, inputs = layer.rows(inputs)
            rows += new
        return rows, inputs


class _Parallel(Group):
    """Chains that start from the same input and are joined at their ends."""

    joined_by = ""

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the rows of each chain, and one for the join."""
        rows, ends = [], ()
        for chain in self.children:
            new, end = chain.rows(inputs)
            rows += new
            ends += end
        join = Row(
            self.path, self.joined_by, self.details(), self.output_shape, 0, 0, 0, inputs=ends
        )
        return [*rows, join], (self.path,)


class Branches(_Parallel):
    """Chains on the same input (each a layer or a list), concatenated along the channels."""

    kind = "branches"
    joined_by = "Concatenate"

    def __init__(self, *branches: Any, name: str = ""):
        super().__init__(name)
        self.adopt([Sequential(b, name=f"branch{i}") for i, b in enumerate(branches, 1)])

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the branches' common height and width, and the sum of their channels."""
        shapes = [branch.build(shape, scope.child(branch.name)) for branch in self.children]
        if len({s[:-1] for s in shapes}) > 1:
            raise ValueError(f"the branches of {self.path} differ in size: {shapes}")
        return (*shapes[0][:-1], sum(s[-1] for s in shapes))

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', sum of channels)."""
        return jnp.concatenate([call(branch, x, context) for branch in self.children], axis=-1)


class Residual(_Parallel):
    """The sum of a main path and a shortcut (by default the identity), then an activation.

    References: He et al. 2015, https://arxiv.org/abs/1512.03385
    """

    kind = "residual"
    joined_by = "Add"

    def __init__(self, main: Any, shortcut: Any = (), *, activation: str = "relu", name: str = ""):
        super().__init__(name)
        self.activation = activation
        self.adopt([Sequential(main, name="main"), Sequential(shortcut, name="shortcut")])

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the shape after either path."""
        main, shortcut = (path.build(shape, scope.child(path.name)) for path in self.children)
        if main != shortcut:
            raise ValueError(f"the paths of {self.path} differ in shape: {main}, {shortcut}")
        return main

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', channels')."""
        main, shortcut = (call(path, x, context) for path in self.children)
        activation = relu_of_sum if self.activation == "relu" else ACTIVATIONS[self.activation]
        return activation(main + shortcut)

    def details(self) -> str:
        """Return the activation after the sum; "" without one."""
        return "" if self.activation == "linear" else self.activation


class AuxHead(Sequential):
    """A second classifier on an inner feature map, which passes its input on unchanged.

    The network's output then holds its logits under this head's name.
    """

    kind = "aux"

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the input's shape; the attribute `logits_shape` is that of the logits."""
        self.logits_shape = super().setup(shape, scope)
        return shape

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """Return x; the head's logits (batch, num_classes) go to `context.heads`."""
        context.heads[self.name] = super().__call__(x, context)
        return x

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the rows of the head; the same inputs feed the layer after it."""
        return super().rows(inputs)[0], inputs

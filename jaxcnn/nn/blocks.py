"""Layers made of layers: chains, parallel branches, residual blocks, auxiliary heads."""

import collections
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.nn.context import Context
from jaxcnn.nn.flax_module import FlaxModule, Function
from jaxcnn.nn.layer import Layer, Row, Scope, Shape, held_layers, is_of_a_user
from jaxcnn.nn.options import ACTIVATIONS, check_option
from jaxcnn.ops.residual import relu_of_sum


class Group(Layer):
    """A layer that holds others as attributes; a layer's name begins its parameters' paths."""

    def adopt(self, layers: list[Layer]) -> None:
        """Hold these layers; those without a name are numbered by kind (conv1, conv2, …)."""
        numbers, names = collections.Counter(), []
        for layer in layers:
            if not layer.name:
                numbers[layer.kind] += 1
                layer.name = f"{layer.kind}{numbers[layer.kind]}"
            if hasattr(self, layer.name):
                about = (
                    f"a second layer named {layer.name}"
                    if layer.name in names
                    else f"a layer named {layer.name}, as an attribute of {type(self).__name__}"
                )
                raise UserError(f"{about}: give it another name")
            setattr(self, layer.name, layer)
            names.append(layer.name)
        self.names = tuple(names)

    @property
    def children(self) -> list[Layer]:
        """The layers in order."""
        return [getattr(self, name) for name in self.names]

    def _held(self) -> list[Layer]:
        """Return the layers in order, then others that a subclass holds."""
        children = self.children
        others = [layer for layer in held_layers(self) if all(layer is not c for c in children)]
        return [*children, *others]

    def _own_sizes(self, rows: list[Row]) -> tuple[int, int, int]:
        """Return the parameters, trainable ones and operations that no row of the layers has.

        The operations are those of a user's own `_forward`. Average pools and depthwise
        convolutions inside it make them inexact, because tracing counts these in another way.
        """
        parameters, trainable = self._sizes()
        operations = 0
        if is_of_a_user(type(self)._forward):
            operations = self.flops() - sum(row.flops for row in rows)
        return (
            max(parameters - sum(row.parameters for row in rows), 0),
            max(trainable - sum(row.trainable for row in rows), 0),
            max(operations, 0),
        )


def flatten(lines: Any) -> list[Layer]:
    """Return the layers of nested lists in order, so that a list of layers may stand for one.

    An `nnx.Module` and a function become layers.

    Raises:
      UserError: a line is none of these.
    """
    if isinstance(lines, Layer):
        return [lines]
    if isinstance(lines, nnx.Module):
        return [FlaxModule(lines)]
    if isinstance(lines, type):
        name = lines.__name__
        form = f"{name}(…)" if issubclass(lines, Layer) else f"FlaxModule({name}, …)"
        raise UserError(f"a line of a network is the class {name}: write {form}")
    if callable(lines):
        return [Function(lines)]
    if not isinstance(lines, Iterable) or isinstance(lines, str | dict | jax.Array | np.ndarray):
        raise UserError(
            f"a line of a network must be a layer, an nnx.Module, a function, or a list of these, "
            f"not {lines!r}"
        )
    return [layer for line in lines for layer in flatten(line)]


class Sequential(Group):
    """Layers one after another, given singly or in nested lists; without layers, the identity."""

    kind = "sequential"

    def __init__(self, *layers: Any, name: str = ""):
        super().__init__(name)
        self.adopt(flatten(layers))

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Build the layers; return the shape after the last one."""
        for layer in self.children:
            shape = layer.build(shape, scope.child(layer.name))
        return shape

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """Run each layer on the output of the one before."""
        for layer in self.children:
            x = layer(x, **context.given())
            context.record(layer.path, x)
        return x

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the rows of the layers, each fed by the one before.

        What a subclass holds or computes beside its layers has a row after them.
        """
        rows = []
        for layer in self.children:
            new, inputs = layer.rows(inputs)
            rows += new
        if any(sizes := self._own_sizes(rows)):
            kind = type(self).__name__
            rows.append(Row(self.path, kind, self.details(), self.output_shape, *sizes, inputs))
            inputs = (self.path,)
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
        sizes = self._own_sizes(rows)
        join = Row(self.path, self.joined_by, self.details(), self.output_shape, *sizes, ends)
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
            raise UserError(f"the branches of {self.path} differ in size: {shapes}")
        return (*shapes[0][:-1], sum(s[-1] for s in shapes))

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', sum of channels)."""
        return jnp.concatenate([branch(x, **context.given()) for branch in self.children], axis=-1)


class Residual(_Parallel):
    """The sum of a main path and a shortcut (by default the identity), then an activation.

    References: He et al. 2015, https://arxiv.org/abs/1512.03385
    """

    kind = "residual"
    joined_by = "Add"

    def __init__(self, main: Any, shortcut: Any = (), *, activation: str = "relu", name: str = ""):
        super().__init__(name)
        check_option("activation", activation, ACTIVATIONS)
        self.activation = activation
        self.adopt([Sequential(main, name="main"), Sequential(shortcut, name="shortcut")])

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the shape after either path."""
        main, shortcut = (path.build(shape, scope.child(path.name)) for path in self.children)
        if main != shortcut:
            raise UserError(f"the paths of {self.path} differ in shape: {main}, {shortcut}")
        return main

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', channels')."""
        main, shortcut = (path(x, **context.given()) for path in self.children)
        activation = relu_of_sum if self.activation == "relu" else ACTIVATIONS[self.activation]
        return activation(main + shortcut)

    def details(self) -> str:
        """Return the activation after the sum; "" without one."""
        return "" if self.activation == "linear" else self.activation


class AuxHead(Sequential):
    """A second classifier on an inner feature map, a line of the network itself.

    The layer after it gets the same input. The network's heads hold its logits under its name.
    """

    kind = "aux"

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the input's shape; the attribute `logits_shape` is that of the logits.

        Raises:
          UserError: the head stands inside another layer, or has the name of the last logits.
        """
        if scope.path == "main":
            raise UserError('no AuxHead is named "main": that is the name of the last logits')
        if "/" in scope.path:
            raise UserError(f"{scope.path}: an AuxHead must be a line of the network itself")
        self.logits_shape = super().setup(shape, scope)
        return shape

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the rows of the head; the same inputs feed the layer after it."""
        return super().rows(inputs)[0], inputs

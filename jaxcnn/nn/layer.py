"""The base of all layers: a name and a path, shapes inferred at build, parameters from the host.

A layer is constructed with its output sizes only. A network tells it the shape of its input,
without the batch axis, and `setup` makes its parameters. Outside a network `init` does that.
Calling a layer runs it on a batch.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.nn import initializers
from jaxcnn.nn.context import Context, keys_of
from jaxcnn.nn.tracing import Shape, trace_module


class ImageSizeError(ValueError):
    """A network cannot be built for this image size; the text says why."""


@dataclasses.dataclass(frozen=True)
class Scope:
    """A layer's place in the network, and the way to create its parameters there."""

    seed: int = 0
    abstract: bool = False  # shapes instead of arrays: for counting and for jax.eval_shape
    path: str = ""
    numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def child(self, name: str) -> "Scope":
        """Return the scope of a layer inside this one."""
        path = f"{self.path}/{name}" if self.path else name
        return dataclasses.replace(self, path=path)

    def create(self, name: str, shape: Shape, initializer: Callable) -> Any:
        """Return a float32 array for the parameter `name` of the layer built here."""
        if self.abstract:
            return jax.ShapeDtypeStruct(shape, jnp.float32)
        rng = initializers.generator(self.seed, f"{self.path}/{name}")
        return jax.device_put(initializer(rng, shape))  # jnp.asarray would compile for each shape

    def derive_seed(self) -> int:
        """Return a seed for the layer built here, which depends on the network's and the path."""
        return int(initializers.generator(self.seed, self.path).integers(2**31))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a network's summary; `flops` are those of one image, forward."""

    name: str
    kind: str
    details: str
    output_shape: Shape
    parameters: int
    trainable: int
    flops: int
    inputs: tuple[str, ...]


class Layer(nnx.Module):
    """The base of all layers.

    A subclass writes `setup`, which makes its parameters, and `_forward`, which runs it on a batch.

    Attributes:
      kind: numbers the layers without a `name` in their parent (conv1, conv2, …).
      input_axes: the axes of one input; () if it may have any.
      needs_init: whether the layer can be called only after `init`, or in a network.
    """

    kind = "layer"
    input_axes: tuple[str, ...] = ()
    needs_init = True
    name = ""  # of layers whose own `__init__` does not call this one
    path = ""
    output_shape: Shape = ()
    _operations = 0  # of one image, forward, counted by tracing; 0 for layers that count their own

    def __init__(self, name: str = ""):
        self.name = name

    def init(self, shape: Shape, *, seed: int) -> Self:
        """Make the parameters, so that the layer can be called outside a network; return it.

        Args:
          shape: of one input, without the batch axis, such as (height, width, channels).
          seed: of the initial values. Layers with equal seed, name and shape start equal.

        Raises:
          UserError: the layer does not take this shape, or has its parameters already.
        """
        self.name = self.name or self.kind
        try:
            self.build(tuple(shape), Scope(seed).child(self.name))
        except ImageSizeError as error:
            message = f"{self.name} does not take inputs of shape {shape}: {error}"
            raise UserError(message) from error
        return self

    def build(self, shape: Shape, scope: Scope) -> Shape:
        """Make the parameters for inputs of `shape` (no batch axis); return the output's shape.

        Raises:
          ImageSizeError: nothing is left of the image after this layer.
          UserError: the layer takes inputs with other axes, stands in two places, or is not
            written as a layer must be.
        """
        if self.path:
            raise UserError(f"the layer {self.path} is used a second time, as {scope.path}")
        if self.input_axes and len(shape) != len(self.input_axes):
            flatten = "; put Flatten() before it" if len(self.input_axes) < len(shape) else ""
            axes = ", ".join(self.input_axes)
            raise UserError(f"{scope.path} takes inputs ({axes}), not of shape {shape}{flatten}")
        self.path = scope.path
        output_shape = self.setup(shape, scope)
        if is_of_a_user(type(self)):
            self._join_held(scope)
        self.output_shape = self._checked(shape, output_shape)
        if min(self.output_shape, default=1) < 1:
            raise ImageSizeError(f"nothing is left of the image after {self.path}")
        return self.output_shape

    def _checked(self, input_shape: Shape, shape: Any) -> Shape:
        """Return the shape that `setup` returned; check that the layer is written correctly."""
        kind = type(self).__name__
        if type(self)._forward is Layer._forward:
            raise UserError(f"{kind} has no method _forward(self, x, context); write it")
        if not isinstance(shape, tuple):
            raise UserError(f"{kind}.setup must return the output's shape, a tuple, not {shape!r}")
        for name, value in vars(self).items():
            if isinstance(value, jax.Array | jax.ShapeDtypeStruct):
                raise UserError(
                    f"{kind}.{name} is a plain array, which is neither trained nor saved; write "
                    f"self.{name} = nnx.Param(…), or nnx.BatchStat(…) without gradients"
                )
        if is_of_a_user(type(self)):
            where = f"{self.path} ({kind})"
            traced, self._operations = trace_module(
                where, input_shape, self, lambda layer, x, keys: layer._forward(x, Context(keys))
            )
            if traced != shape:
                raise UserError(f"{where}: setup returns {shape}, but the output is {traced}")
        return shape

    def _join_held(self, scope: Scope) -> None:
        """Let the layers that this one holds, and that `init` has made, join the network."""
        for _, layer in nnx.iter_modules(self):
            is_held = isinstance(layer, Layer) and layer is not self
            if is_held and not layer.path.startswith(f"{self.path}/"):
                layer._join(scope)

    def _join(self, scope: Scope) -> None:
        """Take from a network's scope what each of its layers must have for itself.

        It is called for a layer that `init` has made, when what holds it is built in a network.
        """

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Make the parameters and return the output's shape; by default there are none to make."""
        return shape

    def __call__(
        self,
        x: jax.Array,
        context: Context | None = None,
        *,
        key: jax.Array | None = None,
        **arguments: Any,
    ) -> jax.Array:
        """Return the layer's output for a batch.

        Args:
          x: (batch, ...), the axes after the batch as in `init`.
          context: of a network's call; outside a network it is left out.
          key: one PRNG key, from which dropout derives a key per example.
          **arguments: fields of a `Context`, in its place.

        Raises:
          UserError: the layer has no parameters yet.
        """
        if self.needs_init and not self.path:
            raise UserError(
                f"this {type(self).__name__} has no parameters yet: make it with "
                f"{type(self).__name__}(…).init(shape, seed=0)"
            )
        if context is None:
            arguments.setdefault("keys", keys_of(key, x))
            context = Context(**arguments)
        with jax.named_scope(self.name or self.kind):  # profiles know operations by it
            out = self._forward(x, context)
        if is_of_a_user(type(self)):  # its code may have left out the mesh axis
            context.average_statistics(self)
        return out

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """Return the layer's output for a batch; each layer writes its own.

        `nnx.tabulate` wraps public methods, whose arguments it must be able to print.
        """
        raise NotImplementedError

    def variables(self) -> list[nnx.Variable]:
        """Return the parameters and statistics of the layer and of all that it holds."""
        return [variable for _, variable in nnx.to_flat_state(nnx.state(self))]

    def penalty(self) -> jax.Array | float:
        """Return l2 * sum(kernel ** 2) over the kernels of the layer and of those that it holds.

        It is 0.0 without regularization. A shared layer counts once.
        """
        return self._sum_penalties({id(self)})

    def _own_penalty(self) -> jax.Array | float:
        """Return the part of `penalty` of the layer's own kernels."""
        return 0.0

    def _held(self) -> list["Layer"]:
        """Return the layers that this one holds, without those inside them."""
        return held_layers(self)

    def _sum_penalties(self, seen: set[int]) -> jax.Array | float:
        """Return the penalty without that of the layers whose ids are in `seen`; add its own."""
        total = self._own_penalty()
        for layer in self._held():
            if id(layer) not in seen:
                seen.add(id(layer))
                is_of_a_user = type(layer).penalty is not Layer.penalty
                total = total + (layer.penalty() if is_of_a_user else layer._sum_penalties(seen))
        return total

    def fit(
        self, batch_stats: dict[str, Any], images: jax.Array | np.ndarray, scale: Callable
    ) -> dict[str, Any]:
        """Return this layer's batch statistics, fitted to training images; by default unchanged.

        Only a network's first layer is asked; arguments as in `Network.fit`.
        """
        return batch_stats

    def flops(self) -> int:
        """Return the operations of convolutions and dense layers for one image, forward.

        A multiply-add counts as 2. The operations of a user's layer are counted by tracing, unless
        it writes this method.
        """
        return self._operations

    def details(self) -> str:
        """Return the layer's settings in a few words, for the summary."""
        return ""

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the layer's summary rows, and the names of the rows that are its outputs.

        `inputs` are the names of the rows that feed it.
        """
        row = Row(
            self.path,
            type(self).__name__,
            self.details(),
            self.output_shape,
            *self._sizes(),
            # a user's subclass may compute more than the `flops` that it inherits
            max(self.flops(), 0 if is_of_a_user(type(self).flops) else self._operations),
            inputs,
        )
        return [row], (self.path,)

    def _sizes(self) -> tuple[int, int]:
        """Return the number of parameters with the statistics, and that of the trainable ones."""
        sizes = [
            (math.prod(variable.get_value().shape), isinstance(variable, nnx.Param))
            for variable in self.variables()
        ]
        return sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains)


def is_of_a_user(part: Callable) -> bool:
    """Return whether a class or a function is defined outside jaxcnn."""
    return part.__module__.partition(".")[0] != __name__.partition(".")[0]


def held_layers(module: nnx.Module) -> list[Layer]:
    """Return the layers that a module holds, without those inside other layers."""
    layers = {path: held for path, held in nnx.iter_modules(module) if isinstance(held, Layer)}
    layers.pop((), None)
    return [
        layer
        for path, layer in layers.items()
        if not any(path[:length] in layers for length in range(1, len(path)))
    ]

"""The base of all layers: a name and a path, shapes inferred at build, parameters from the host.

A layer is constructed with its output sizes only. A network tells it the shape of its input,
without the batch axis, and `setup` makes its parameters. Outside a network `init` does that.
Calling a layer runs it on a batch.
"""

import dataclasses
import functools
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
from jaxcnn.nn.tracing import trace_module

Shape = tuple[int, ...]


class ImageSizeError(ValueError):
    """A network cannot be built for this image size; the text says why."""


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("keys", "mask", "intermediates", "frozen"),
    meta_fields=("axis_name",),
)  # `nnx.tabulate` compiles the call of each layer, with the context as an argument
@dataclasses.dataclass
class Context:
    """Arguments of one call of a network, for all of its layers."""

    keys: jax.Array | None = None  # (batch,) PRNG keys, one per example
    mask: jax.Array | None = None  # (batch,) bool, True for the examples that count
    axis_name: str | None = None  # mesh axis of BatchNorm's statistics
    intermediates: dict[str, jax.Array] | None = None  # filled with each layer's output
    frozen: jax.Array | None = None  # bool (), True while parts that train later are frozen

    def given(self) -> dict[str, Any]:
        """Return the arguments that were given, by name.

        Layers pass these on instead of the context, which `nnx.tabulate` could not show.
        """
        names = ("keys", "mask", "axis_name", "intermediates", "frozen")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def record(self, path: str, x: jax.Array) -> None:
        """Keep a layer's output if the caller asked for it."""
        if self.intermediates is not None:
            self.intermediates[path] = x


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


def keys_of(key: jax.Array | None, x: jax.Array) -> jax.Array | None:
    """Return a PRNG key (batch,) for each example of x, split from one key; None without one.

    Raises:
      UserError: `key` is not a single PRNG key.
    """
    if key is None:
        return None
    if not isinstance(key, jax.Array | np.ndarray):
        raise UserError(f"key must be one PRNG key such as jax.random.key(0), not {key!r}")
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if key.ndim != (0 if is_typed else 1):  # jax.random.PRNGKey gives an array of two numbers
        raise UserError(f"key must be one PRNG key for the whole batch, not of shape {key.shape}")
    return jax.random.split(key if is_typed else jax.random.wrap_key_data(key), len(x))


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
            raise UserError(
                f"{self.name} does not take inputs of shape {shape}: {error}"
            ) from error
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
        self.output_shape = self._checked(shape, self.setup(shape, scope))
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
        if type(self).__module__.partition(".")[0] != __package__.partition(".")[0]:
            where = f"{self.path} ({kind})"
            traced, _ = trace_module(
                where, input_shape, self, lambda layer, x, keys: layer._forward(x, Context(keys))
            )
            if traced != shape:
                raise UserError(f"{where}: setup returns {shape}, but the output is {traced}")
        return shape

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
            return self._forward(x, context)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """Return the layer's output for a batch; each layer writes its own.

        `nnx.tabulate` wraps public methods, whose arguments it must be able to print.
        """
        raise NotImplementedError

    def variables(self) -> list[nnx.Variable]:
        """Return the layer's own parameters and statistics."""
        return [value for value in vars(self).values() if isinstance(value, nnx.Variable)]

    def penalty(self) -> jax.Array | float:
        """Return l2 * sum(kernel ** 2) over the layer's kernels; 0.0 without regularization."""
        return 0.0

    def fit(
        self, batch_stats: dict[str, Any], images: jax.Array | np.ndarray, scale: Callable
    ) -> dict[str, Any]:
        """Return this layer's batch statistics, fitted to training images; by default unchanged.

        Only a network's first layer is asked; arguments as in `Network.fit`.
        """
        return batch_stats

    def flops(self) -> int:
        """Return the operations of convolutions and dense layers for one image, forward.

        A multiply-add counts as 2.
        """
        return 0

    def details(self) -> str:
        """Return the layer's settings in a few words, for the summary."""
        return ""

    def rows(self, inputs: tuple[str, ...]) -> tuple[list[Row], tuple[str, ...]]:
        """Return the layer's summary rows, and the names of the rows that are its outputs.

        `inputs` are the names of the rows that feed it.
        """
        sizes = [
            (math.prod(variable.get_value().shape), isinstance(variable, nnx.Param))
            for variable in self.variables()
        ]
        total, trainable = sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains)
        row = Row(
            self.path,
            type(self).__name__,
            self.details(),
            self.output_shape,
            total,
            trainable,
            self.flops(),
            inputs,
        )
        return [row], (self.path,)

"""The base of all layers: a name and a path, shapes inferred at build, parameters from the host.

A layer is constructed with its output sizes only. `build` tells it the shape of its input, without
the batch axis, and makes its parameters. Calling it runs it on a batch.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.nn import initializers

Shape = tuple[int, ...]


class ImageSizeError(ValueError):
    """A network cannot be built for this image size; the text says why."""


@dataclasses.dataclass
class Context:
    """Arguments of one call of a network, for all of its layers."""

    keys: jax.Array | None = None  # (batch,) PRNG keys, one per example
    mask: jax.Array | None = None  # (batch,) bool, True for the examples that count
    axis_name: str | None = None  # mesh axis of BatchNorm's statistics
    intermediates: dict[str, jax.Array] | None = None  # filled with each layer's output
    heads: dict[str, jax.Array] = dataclasses.field(default_factory=dict)  # auxiliary logits

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
    """The base of all layers. A layer without a `name` is numbered by its kind in its parent."""

    kind = "layer"

    def __init__(self, name: str = ""):
        self.name = name
        self.path = ""
        self.output_shape: Shape = ()

    def build(self, shape: Shape, scope: Scope) -> Shape:
        """Make the parameters for inputs of `shape` (no batch axis); return the output's shape.

        Raises:
          ImageSizeError: nothing is left of the image after this layer.
          ValueError: the same layer object stands in two places.
        """
        if self.path:
            raise ValueError(f"the layer {self.path} is used a second time, as {scope.path}")
        self.path = scope.path
        self.output_shape = self.setup(shape, scope)
        if min(self.output_shape) < 1:
            raise ImageSizeError(f"nothing is left of the image after {self.path}")
        return self.output_shape

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Make the parameters and return the output's shape; by default there are none to make."""
        return shape

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """Return the layer's output for a batch."""
        raise NotImplementedError

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
        variables = [v for v in vars(self).values() if isinstance(v, nnx.Variable)]
        sizes = [(math.prod(v.get_value().shape), isinstance(v, nnx.Param)) for v in variables]
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

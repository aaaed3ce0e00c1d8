"""Dropout as a layer."""

import math

import jax
import jax.numpy as jnp

from jaxcnn.errors import UserError
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Layer, Scope, Shape
from jaxcnn.ops.random_bits import random_bits


class Dropout(Layer):
    """In training, drop each unit with probability `rate` and scale up the others.

    In evaluation (`model.eval()`) it is the identity. Every example has its own key and every
    Dropout of a network its own number, so the dropped units follow the example, not its device or
    its place in the batch.

    References: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    kind = "dropout"

    def __init__(self, rate: float, name: str = ""):
        super().__init__(name)
        if not 0 <= rate < 1:
            raise UserError(f"a dropout rate of {rate} is not in [0, 1)")
        self.rate, self.deterministic = rate, False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the shape unchanged."""
        self._join(scope)
        return shape

    def _join(self, scope: Scope) -> None:
        """Take a number of its own in the network."""
        self.number = next(scope.numbers)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ...) -> the same shape and dtype.

        Raises:
          UserError: training with a rate above 0 and without keys.
        """
        if self.deterministic or not self.rate:
            return x
        if context.keys is None:
            raise UserError(
                f"{self.path} needs a PRNG key in training: call the model with "
                "key=jax.random.key(0), with another key at each step, or call model.eval() first"
            )
        keep = min(max(round((1 - self.rate) * 2**32), 1), 2**32 - 1)
        bits = random_bits(context.keys, self.number, math.prod(x.shape[1:]))
        return jnp.where(bits.reshape(x.shape) < jnp.uint32(keep), x * (2**32 / keep), 0)

    def set_view(self, deterministic: bool | None = None) -> None:
        """Take a setting of `nnx.view`.

        Args:
          deterministic: if True, the layer is the identity.
        """
        if deterministic is not None:
            self.deterministic = deterministic

    def details(self) -> str:
        """Return the rate."""
        return str(self.rate)

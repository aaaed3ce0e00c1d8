"""BatchNorm as a layer.

`model.train()` and `model.eval()` choose between the batch's statistics and the running averages.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxcnn.nn import initializers
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Layer, Scope, Shape
from jaxcnn.ops.batch_norm import batch_normalize, widen


class BatchNorm(Layer):
    """Normalize each channel by its mean and (biased) variance over the batch, scale and shift.

    In evaluation the running averages take the place of the batch's statistics. The defaults are
    Keras's. Statistics are computed in float32, over the mesh axis `context.axis_name` if there is
    one, and over the examples that `context.mask` marks. So neither the number of devices nor an
    example outside the mask changes them. A batch without any example in the mask leaves the
    running averages as they are. A layer with `is_frozen_at_first` does as in evaluation while
    `context.frozen` is true.

    References: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167
    """

    kind = "batch_norm"

    def __init__(
        self,
        *,
        epsilon: float = 1e-3,
        decay: float = 0.99,
        use_scale: bool = True,
        name: str = "",
    ):
        super().__init__(name)
        self.epsilon, self.decay, self.use_scale = epsilon, decay, use_scale
        self.use_running_average = self.is_frozen_at_first = False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the shape unchanged; the channels are the last axis."""
        zeros, ones = initializers.constant(0.0), initializers.constant(1.0)
        channels = shape[-1:]
        if self.use_scale:
            self.scale = nnx.Param(scope.create("scale", channels, ones))
        self.bias = nnx.Param(scope.create("bias", channels, zeros))
        self.mean = nnx.BatchStat(scope.create("mean", channels, zeros))
        self.var = nnx.BatchStat(scope.create("var", channels, ones))
        return shape

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ..., channels) -> the same shape and dtype; training updates the averages."""
        bias = self.bias[...]
        scale = self.scale[...] if self.use_scale else jnp.ones_like(bias)
        if self.use_running_average:
            return self._by_averages(x, scale, bias)
        out, count, mean, var = batch_normalize(
            x, scale, bias, context.mask, self.epsilon, context.axis_name
        )
        weight = jnp.where(count > 0, 1 - self.decay, 0.0)
        if self.is_frozen_at_first and context.frozen is not None:
            out = jnp.where(context.frozen, self._by_averages(x, scale, bias), out)
            weight = jnp.where(context.frozen, 0.0, weight)
        for average, value in ((self.mean, mean), (self.var, var)):
            old = average[...]
            average.set_value(old + weight * (value - old))
        return out

    def _by_averages(self, x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
        """Return x normalized by the running averages."""
        factor = scale * lax.rsqrt(self.var[...] + self.epsilon)
        return ((widen(x) - self.mean[...]) * factor + bias).astype(x.dtype)

    def set_view(self, use_running_average: bool | None = None) -> None:
        """Take a setting of `nnx.view`.

        Args:
          use_running_average: if True, the running averages take the place of the batch's
            statistics.
        """
        if use_running_average is not None:
            self.use_running_average = use_running_average

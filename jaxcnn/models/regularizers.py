"""BatchNorm and Dropout: the layers that behave differently in training and in evaluation.

`model.train()` and `model.eval()` switch them, the NNX way. Both are indifferent to how a batch is
spread over devices, and examples that the mask leaves out have no say in either.
"""

import functools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxcnn.models import initializers
from jaxcnn.models.base import Context, Layer, Scope, Shape


class BatchNorm(Layer):
    """Normalise each channel by its mean and (biased) variance over the batch, scale and shift.

    In evaluation the running averages take the place of the batch's statistics. The defaults are
    Keras's. Statistics are taken in float32, over the mesh axis `context.axis_name` if there is
    one, and over the examples that `context.mask` marks; a batch without any such example leaves
    the running averages as they are.

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
        self.use_running_average = False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Any shape with the channels last; it stays the same."""
        zeros, ones = initializers.constant(0.0), initializers.constant(1.0)
        channels = shape[-1:]
        if self.use_scale:
            self.scale = nnx.Param(scope.create("scale", channels, ones))
        self.bias = nnx.Param(scope.create("bias", channels, zeros))
        self.mean = nnx.BatchStat(scope.create("mean", channels, zeros))
        self.var = nnx.BatchStat(scope.create("var", channels, ones))
        return shape

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ..., channels) -> the same shape and dtype; training updates the averages."""
        bias = self.bias[...]
        scale = self.scale[...] if self.use_scale else jnp.ones_like(bias)
        if self.use_running_average:
            factor = scale * lax.rsqrt(self.var[...] + self.epsilon)
            return ((_wide(x) - self.mean[...]) * factor + bias).astype(x.dtype)
        out, count, mean, var = batch_normalise(
            x, scale, bias, context.mask, self.epsilon, context.axis_name
        )
        weight = jnp.where(count > 0, 1 - self.decay, 0.0)
        for average, value in ((self.mean, mean), (self.var, var)):
            old = average[...]
            average.set_value(old + weight * (value - old))
        return out


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def batch_normalise(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    mask: jax.Array | None,
    epsilon: float,
    axis_name: str | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """x (batch, ..., channels) normalised by its own moments, scaled and shifted; and the moments.

    The gradient is written out: it takes half the time of the one derived by JAX, and keeps x in
    its own dtype. None flows through the moments that are returned.

    Returns:
      The output, as x; count (scalar), mean and biased variance (channels,), see `batch_moments`.
    """
    return _normalise_forward(x, scale, bias, mask, epsilon, axis_name)[0]


def _normalise_forward(x, scale, bias, mask, epsilon, axis_name):
    count, mean, var = batch_moments(_wide(x), mask, axis_name)
    inverse = lax.rsqrt(var + epsilon)
    out = ((_wide(x) - mean) * (inverse * scale) + bias).astype(x.dtype)
    return (out, count, mean, var), (x, scale, mask, count, mean, inverse)


def _normalise_backward(epsilon, axis_name, residuals, gradients):
    x, scale, mask, count, mean, inverse = residuals
    gradient, normalised = _wide(gradients[0]), (_wide(x) - mean) * inverse
    axes = tuple(range(x.ndim - 1))
    by_scale, by_bias = (gradient * normalised).sum(axes), gradient.sum(axes)
    through_var, through_mean = by_scale, by_bias
    if axis_name is not None:
        through_var, through_mean = lax.psum(jnp.stack([by_scale, by_bias]), axis_name)
    through = (through_mean + normalised * through_var) / jnp.maximum(count, 1)
    if mask is not None:
        through = jnp.where(_per_example(mask, x), through, 0)
    by_x = (gradient - through) * (inverse * scale)
    return by_x.astype(x.dtype), by_scale, by_bias, None


batch_normalise.defvjp(_normalise_forward, _normalise_backward)


def batch_moments(
    x: jax.Array, mask: jax.Array | None, axis_name: str | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Count (scalar), mean and biased variance (channels,) of x (batch, ..., channels).

    One pass over x, less a mean of its first example: large means then cost no accuracy. Devices
    exchange their moments once and combine them by Chan's formula.
    """
    axes = tuple(range(x.ndim - 1))
    shift = x[0].mean(axis=axes[:-1])
    centred, examples = x - shift, x.shape[0]
    if mask is not None:
        centred, examples = jnp.where(_per_example(mask, x), centred, 0), mask.sum()
    count = jnp.asarray(examples * math.prod(x.shape[1:-1]), x.dtype)
    offset = centred.sum(axes) / jnp.maximum(count, 1)
    mean, deviation = shift + offset, jnp.square(centred).sum(axes) - count * jnp.square(offset)
    if axis_name is not None:
        # one array: on a CPU each costs an exchange of its own
        every = lax.all_gather(jnp.concatenate([count[None], mean, deviation]), axis_name)
        weights, (means, deviations) = every[:, :1], jnp.split(every[:, 1:], 2, axis=1)
        count = weights.sum()
        mean = (weights * means).sum(0) / jnp.maximum(count, 1)
        deviation = (deviations + weights * jnp.square(means - mean)).sum(0)
    return count, mean, jnp.maximum(deviation / jnp.maximum(count, 1), 0)


def _per_example(mask: jax.Array, x: jax.Array) -> jax.Array:
    """The mask (batch,) in a shape that goes with x (batch, ...)."""
    return mask.reshape(-1, *(1,) * (x.ndim - 1))


def random_bits(keys: jax.Array, number: int, count: int) -> jax.Array:
    """Bits for dropout: a hash of each example's key, a layer's number and a unit's.

    JAX's own generator, which is made for more than this, takes ten times as long to run and
    most of a small network's time to compile.

    Args:
      keys: PRNG keys (batch,), of whose randomness all of it comes.
      number: of the layer.
      count: of the example's units.

    Returns:
      uint32 (batch, count).
    """
    seeds = jax.random.key_data(keys)[:, :2]
    start, stride = jnp.split(_mix(seeds + jnp.uint32(number * 0x9E3779B9 % 2**32)), 2, axis=1)
    units = lax.iota(jnp.uint32, count)
    return _mix(start + (stride | 1) * units)


def _mix(x: jax.Array) -> jax.Array:
    """Each bit of a uint32 changes each with probability 1/2: Wellons' hash "lowbias32",
    https://nullprogram.com/blog/2018/07/31/"""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


class Dropout(Layer):
    """Drop each unit with probability `rate` in training and scale up the others; identity after.

    Every example has a key of its own and every Dropout of a network a number, so what is dropped
    follows the example and not the device or the place in the batch.

    References: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    kind = "dropout"

    def __init__(self, rate: float, name: str = ""):
        super().__init__(name)
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate of {rate} is not in [0, 1)")
        self.rate, self.deterministic = rate, False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Any shape; it stays the same."""
        self.number = next(scope.numbers)
        return shape

    def __call__(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ...) -> the same shape and dtype.

        Raises:
          ValueError: training with a rate above 0, and no keys.
        """
        if self.deterministic or not self.rate:
            return x
        if context.keys is None:
            raise ValueError(f"{self.path} needs keys in training: one PRNG key per example")
        keep = min(max(round((1 - self.rate) * 2**32), 1), 2**32 - 1)
        bits = random_bits(context.keys, self.number, math.prod(x.shape[1:]))
        return jnp.where(bits.reshape(x.shape) < jnp.uint32(keep), x * (2**32 / keep), 0)

    def details(self) -> str:
        """The rate."""
        return str(self.rate)

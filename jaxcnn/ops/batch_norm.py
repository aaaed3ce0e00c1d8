"""The arithmetic of BatchNorm."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.switch import uses_cpu_forms


def widen(x: jax.Array) -> jax.Array:
    """Return x in float32 or better."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def batch_normalize(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    mask: jax.Array | None,
    epsilon: float,
    axis_name: str | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Normalize x (batch, ..., channels) by its own moments, then scale and shift it.

    Args:
      x: float.
      scale, bias: float32 (channels,).
      mask: bool (batch,), True for the examples that count; None where all do.
      epsilon: added to the variance.
      axis_name: the mesh axis whose devices share their moments; None for each device by itself.

    Returns:
      The output, shaped and typed as x; count (scalar), mean and biased variance (channels,), see
      `batch_moments`. No gradient flows through the latter three.
    """
    if uses_cpu_forms():
        return _cpu_batch_normalize(x, scale, bias, mask, epsilon, axis_name)
    outputs, _ = _normalize_forward(x, scale, bias, mask, epsilon, axis_name)
    return outputs[0], *lax.stop_gradient(outputs[1:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _cpu_batch_normalize(x, scale, bias, mask, epsilon, axis_name):
    """As `batch_normalize`, with a gradient that is written out.

    It takes half the time of the one that JAX derives, and keeps x in its own dtype.
    """
    return _normalize_forward(x, scale, bias, mask, epsilon, axis_name)[0]


def _normalize_forward(x, scale, bias, mask, epsilon, axis_name):
    count, mean, var = batch_moments(widen(x), mask, axis_name)
    inverse = lax.rsqrt(var + epsilon)
    out = ((widen(x) - mean) * (inverse * scale) + bias).astype(x.dtype)
    return (out, count, mean, var), (x, scale, mask, count, mean, inverse)


def _normalize_backward(epsilon, axis_name, residuals, gradients):
    x, scale, mask, count, mean, inverse = residuals
    gradient, normalized = widen(gradients[0]), (widen(x) - mean) * inverse
    axes = tuple(range(x.ndim - 1))
    by_scale, by_bias = (gradient * normalized).sum(axes), gradient.sum(axes)
    through_var, through_mean = by_scale, by_bias
    if axis_name is not None:
        through_var, through_mean = lax.psum(jnp.stack([by_scale, by_bias]), axis_name)
    through = (through_mean + normalized * through_var) / jnp.maximum(count, 1)
    if mask is not None:
        through = jnp.where(_per_example(mask, x), through, 0)
    by_x = (gradient - through) * (inverse * scale)
    return by_x.astype(x.dtype), by_scale, by_bias, None


_cpu_batch_normalize.defvjp(_normalize_forward, _normalize_backward)


def batch_moments(
    x: jax.Array, mask: jax.Array | None, axis_name: str | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return count (scalar), mean and biased variance (channels,) of x (batch, ..., channels).

    One pass over x, from which a mean of the first example is subtracted: so large means cost no
    accuracy. Devices exchange their moments once and combine them by Chan's formula.
    """
    axes = tuple(range(x.ndim - 1))
    shift = lax.stop_gradient(x[0].mean(axis=axes[:-1]))  # the moments do not depend on it
    centered, examples = x - shift, x.shape[0]
    if mask is not None:
        centered, examples = jnp.where(_per_example(mask, x), centered, 0), mask.sum()
    count = jnp.asarray(examples * math.prod(x.shape[1:-1]), x.dtype)
    offset = centered.sum(axes) / jnp.maximum(count, 1)
    mean, deviation = shift + offset, jnp.square(centered).sum(axes) - count * jnp.square(offset)
    if axis_name is not None:
        # one array, because on a CPU each array is an exchange of its own
        moments = lax.all_gather(jnp.concatenate([count[None], mean, deviation]), axis_name)
        weights, (means, deviations) = moments[:, :1], jnp.split(moments[:, 1:], 2, axis=1)
        count = weights.sum()
        mean = (weights * means).sum(0) / jnp.maximum(count, 1)
        deviation = (deviations + weights * jnp.square(means - mean)).sum(0)
    return count, mean, jnp.maximum(deviation / jnp.maximum(count, 1), 0)


def _per_example(mask: jax.Array, x: jax.Array) -> jax.Array:
    """Return the mask (batch,) in a shape that broadcasts with x (batch, ...)."""
    return mask.reshape(-1, *(1,) * (x.ndim - 1))

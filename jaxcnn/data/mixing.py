"""Mixup and CutMix: pairs of examples blended on the device, inside the compiled step.

One key serves the whole global batch, and partners are neighbors in it, so the number of devices
does not change the result.
"""

import jax
import jax.numpy as jnp
from jax import lax


def mixup_weights(key: jax.Array, size: tuple[int, ...], alpha: float) -> jax.Array:
    """Return the share that each pixel keeps, (height, width).

    It is the same λ ~ Beta(alpha, alpha) for all pixels.

    References: Zhang et al., mixup: Beyond Empirical Risk Minimization (2018).
    """
    return jnp.full(size, jax.random.beta(key, alpha, alpha))


def cutmix_weights(key: jax.Array, size: tuple[int, ...], alpha: float) -> jax.Array:
    """Return the share that each pixel keeps, (height, width): 0 in a box, 1 outside of it.

    The box takes about 1 - λ of the area, λ ~ Beta(alpha, alpha). Its center lies anywhere in the
    image, so the box may be cut off at the edge.

    References: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers (2019).
    """
    key_share, key_center = jax.random.split(key)
    side = jnp.sqrt(1 - jax.random.beta(key_share, alpha, alpha))
    limits = jnp.asarray(size)
    center = jax.random.randint(key_center, (2,), 0, limits)
    half = (limits * side / 2).astype(jnp.int32)
    rows, columns = (
        (jnp.arange(size[axis]) >= center[axis] - half[axis])
        & (jnp.arange(size[axis]) < center[axis] + half[axis])
        for axis in (0, 1)
    )
    return 1.0 - (rows[:, None] & columns[None, :])


def mixing_weights(key: jax.Array, size: tuple[int, ...], mixup: float, cutmix: float) -> jax.Array:
    """Return the weights of Mixup or CutMix; if both are on, each has a chance of 1/2."""
    key_choice, key_mixup, key_cutmix = jax.random.split(key, 3)
    if not cutmix:
        return mixup_weights(key_mixup, size, mixup)
    if not mixup:
        return cutmix_weights(key_cutmix, size, cutmix)
    is_mixup = jax.random.bernoulli(key_choice)
    blended = mixup_weights(key_mixup, size, mixup)
    return jnp.where(is_mixup, blended, cutmix_weights(key_cutmix, size, cutmix))


def mix(
    images: jax.Array,
    labels: jax.Array,
    weights: jax.Array,
    *,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Blend every example with the next one of the global batch, the last one with the first.

    Args:
      images: (batch, height, width, channels).
      labels: float32 (batch, num_classes).
      weights: (height, width), the share of the example's own pixels; its mean is the share of its
        own label.
      axis_name: mesh axis along which the global batch is cut, in order.

    Returns:
      Images and labels of the same shapes.
    """
    weights = jnp.broadcast_to(weights, images.shape[:3])
    pixels, shares = weights[..., None], weights.mean(axis=(1, 2))[:, None]
    images = images * pixels + _next(images, axis_name) * (1 - pixels)
    return images, labels * shares + _next(labels, axis_name) * (1 - shares)


def _next(batch: jax.Array, axis_name: str | None) -> jax.Array:
    """Return the global batch rolled by one: example i + 1 takes the place of example i."""
    first = batch[:1]
    if axis_name is not None:
        size = lax.axis_size(axis_name)
        first = lax.ppermute(first, axis_name, [((i + 1) % size, i) for i in range(size)])
    return jnp.concatenate([batch[1:], first])

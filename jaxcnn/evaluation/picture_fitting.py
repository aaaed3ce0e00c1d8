"""Fitting of pictures inside an exported file: Pillow's bilinear resizing as a JAX function."""

import jax
import jax.numpy as jnp

from jaxcnn.data.pictures.fitting import Frame, border_color, frames_of


def fit_pixels(pixels: jax.Array, image_shape: tuple[int, int, int], method: str) -> jax.Array:
    """Return a picture in an image shape, within 1 of 255 of `data.pictures.fitting.fit`.

    Args:
      pixels: uint8 (height, width, channels); height and width may be symbolic.
      image_shape: of the result, uint8 (height, width, channels).
      method: "crop", "stretch", "pad", "pad:edge" or "pad:#rrggbb".
    """
    height, width, channels = image_shape
    sides = jnp.asarray(pixels.shape[0], jnp.int32), jnp.asarray(pixels.shape[1], jnp.int32)
    rows, columns = frames_of(method, sides, (height, width), jnp)
    across = _weights(columns, pixels.shape[1], width)
    down = _weights(rows, pixels.shape[0], height)
    image = _resize("cw,hwk->hck", across, pixels.astype(jnp.float32))
    image = _resize("rh,hck->rck", down, image)
    if method.startswith("pad") and method != "pad:edge":
        is_inside = _is_inside(rows, height)[:, None, None] & _is_inside(columns, width)[:, None]
        image = jnp.where(is_inside, image, jnp.array(border_color(method, channels), jnp.float32))
    return image.astype(jnp.uint8)


def _weights(frame: Frame, side: int, length: int) -> jax.Array:
    """Return the weights of a picture's rows or columns for each of an image's, (length, side)."""
    positions = jnp.clip(jnp.arange(length) - frame.offset, 0, frame.size - 1)
    scale = frame.length / jnp.asarray(frame.size, jnp.float32)
    centers = frame.start + (positions + 0.5) * scale
    distances = jnp.abs(jnp.arange(side) + 0.5 - centers[:, None])
    weights = jnp.maximum(1 - distances / jnp.maximum(scale, 1), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def _resize(axes: str, weights: jax.Array, image: jax.Array) -> jax.Array:
    """Return an image resized along one axis and rounded, as Pillow does between the axes."""
    resized = jnp.einsum(axes, weights, image, precision=jax.lax.Precision.HIGHEST)
    return jnp.clip(jnp.floor(resized + 0.5), 0, 255)


def _is_inside(frame: Frame, length: int) -> jax.Array:
    positions = jnp.arange(length) - frame.offset
    return (positions >= 0) & (positions < frame.size)

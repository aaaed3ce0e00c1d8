"""Augmentation on the device: pure functions of a batch, inside the compiled step.

Images are float32 (batch, height, width, channels) in 0 to 255. Keys are typed PRNG keys (batch,),
one per example, so the random numbers follow the example and not its device. Every augmentation
folds its own name into the keys, so the same keys serve all of them.

The augmentations of single images are applied in the order of this file. The user's own follow in
the order of `augment.extra`, and mixing (`mixing.py`) comes last.
"""

import dataclasses
import math
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

from jaxcnn.data import color
from jaxcnn.data.extra import make_extra
from jaxcnn.data.mixing import mix, mixing_weights
from jaxcnn.errors import UserError


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch as augmentations see it, besides its images.

    Attributes:
      keys: PRNG keys (batch,), one per example; the only source of randomness.
      indices: int32 (batch,), the examples' positions in the dataset.
      epoch: int32 scalar.
    """

    keys: jax.Array
    indices: jax.Array
    epoch: jax.Array


@dataclasses.dataclass(frozen=True)
class Options:
    """The settings of a run's augmentations.

    Attributes:
      config: fields crop, crop_mode, shift, rotation, flip, cutout, color_jitter, brightness,
        contrast, extra, mixup, cutmix.
      seed: the seed of the alternating flip.
      fill: the mean color of the training images, with which cutout covers pixels, in 0 to 255; a
        number or (channels,).
      deviation: the standard deviation of the training images' pixels, like `fill`.
    """

    config: Any
    seed: int | jax.Array
    fill: ArrayLike
    deviation: ArrayLike


Augmentation = Callable[[jax.Array, Batch], jax.Array]  # images to images
_Maker = Callable[[Options], Augmentation | None]
_MAKERS: dict[str, _Maker] = {}  # by name, in order of application


def _built_in(name: str) -> Callable[[_Maker], _Maker]:
    """Register a function that returns a run's augmentation, or None if the config turns it off."""

    def register(make: _Maker) -> _Maker:
        if name in _MAKERS:
            raise ValueError(f"{name!r} names two augmentations")
        _MAKERS[name] = make
        return make

    return register


def make_augment(
    config: Any,
    *,
    seed: int | jax.Array,
    fill: ArrayLike = 0.0,
    deviation: ArrayLike = 1.0,
) -> Callable[..., tuple[jax.Array, jax.Array]] | None:
    """Return a run's augmentations as one function; None if it has none.

    Args:
      config: the run's `config.augment`; see `Options`.
      seed, fill, deviation: see `Options`.

    Returns:
      `augment(images, labels, *, keys, batch_key, example_indices, epoch, axis_name=None)`, which
      returns images and labels of the same shapes. `keys`, `example_indices` and `epoch` are those
      of `Batch`. Labels are float32 (batch, num_classes) with mixup or cutmix; otherwise they
      pass through. `batch_key` is one key, the same on every device. `axis_name` is the mesh axis
      along which the global batch is cut.
    """
    options = Options(config, seed, fill, deviation)
    transforms = [
        transform for make in _MAKERS.values() if (transform := make(options)) is not None
    ]
    transforms += [_by_keys(make_extra(name)) for name in config.extra]
    is_mixed = config.mixup > 0 or config.cutmix > 0
    if not transforms and not is_mixed:
        return None

    def augment(images, labels, *, keys, batch_key, example_indices, epoch, axis_name=None):
        batch = Batch(keys, example_indices, epoch)
        for transform in transforms:
            images = transform(images, batch)
        if is_mixed:
            key = _fold_name(batch_key, "mixing")
            weights = mixing_weights(key, images.shape[1:3], config.mixup, config.cutmix)
            images, labels = mix(images, labels, weights, axis_name=axis_name)
        return images, labels

    return augment


def _fold_name(key: jax.Array, name: str) -> jax.Array:
    """Return the key of one augmentation."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _draw(sampler: Callable, keys: jax.Array, name: str) -> jax.Array:
    """Return `sampler(key)` of each example's key: (batch, …)."""
    return jax.vmap(lambda key: sampler(_fold_name(key, name)))(keys)


def _by_keys(function: Callable[..., jax.Array], **settings: Any) -> Augmentation:
    """Return the augmentation `function(images, keys, **settings)`."""
    return lambda images, batch: function(images, batch.keys, **settings)


@_built_in("flip")
def _make_flip(options: Options) -> Augmentation | None:
    if options.config.flip == "random":
        return _by_keys(random_flip)
    if options.config.flip == "alternating":
        return lambda images, batch: alternating_flip(
            images, batch.indices, batch.epoch, options.seed
        )
    return None


def random_flip(images: jax.Array, keys: jax.Array) -> jax.Array:
    """Mirror left and right with probability one half."""
    return _flip(images, _draw(jax.random.bernoulli, keys, "flip"))


def alternating_flip(
    images: jax.Array, example_indices: jax.Array, epoch: jax.Array | int, seed: jax.Array | int
) -> jax.Array:
    """Mirror an example every other epoch, so that two successive epochs show both sides.

    (seed, example index) decides whether the example is mirrored in epoch 0.

    References: Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU (2024), section 3.6.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), example_indices)
    first = _draw(jax.random.bernoulli, keys, "alternating_flip")
    return _flip(images, first ^ (jnp.asarray(epoch) % 2 == 1))


def _flip(images: jax.Array, is_flipped: jax.Array) -> jax.Array:
    return jnp.where(is_flipped[:, None, None, None], images[:, :, ::-1], images)


@_built_in("affine")
def _make_affine(options: Options) -> Augmentation | None:
    degrees, fraction = options.config.rotation, options.config.shift
    is_on = degrees or fraction
    return _by_keys(random_affine, degrees=degrees, fraction=fraction) if is_on else None


def random_affine(
    images: jax.Array, keys: jax.Array, *, degrees: float = 0.0, fraction: float = 0.0
) -> jax.Array:
    """Rotate about the center by up to ±degrees, and shift by up to ±fraction of the size.

    The image is resampled once, bilinearly. A pixel outside of it has the value of the nearest
    pixel in it, as in Keras's ImageDataGenerator.
    """
    limit = degrees * (math.pi / 180)
    uniform = partial(jax.random.uniform, minval=-1.0, maxval=1.0)
    angles = limit * _draw(uniform, keys, "rotation")
    size = jnp.asarray(images.shape[1:3], images.dtype)
    shifts = fraction * size * _draw(partial(uniform, shape=(2,)), keys, "shift")
    return jax.vmap(_warp)(images, angles, shifts)


def _warp(image: jax.Array, angle: jax.Array, shift: jax.Array) -> jax.Array:
    """Shift an image (height, width, channels) by `shift` (2,) pixels and rotate it by `angle`."""
    center = [(size - 1) / 2 for size in image.shape[:2]]
    rows = jnp.arange(image.shape[0])[:, None] - center[0] + shift[0]
    columns = jnp.arange(image.shape[1])[None, :] - center[1] + shift[1]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    source = [cos * rows - sin * columns + center[0], sin * rows + cos * columns + center[1]]
    channel = partial(map_coordinates, coordinates=source, order=1, mode="nearest")
    return jax.vmap(channel, in_axes=2, out_axes=2)(image)


@_built_in("crop")
def _make_crop(options: Options) -> Augmentation | None:
    padding, mode = options.config.crop, options.config.crop_mode
    return _by_keys(random_crop, padding=padding, mode=mode) if padding else None


def random_crop(
    images: jax.Array, keys: jax.Array, padding: int, mode: str = "reflect"
) -> jax.Array:
    """Pad all sides by `padding` pixels ("reflect" or "zero"), and cut a window of the old size.

    The windows are gathered from the original images, so the padded batch never exists.

    Raises:
      UserError: reflection needs images larger than the padding.
    """
    batch, height, width, _ = images.shape
    if mode == "reflect" and padding >= min(height, width):
        raise UserError(
            f"augment.crop = {padding}: must be at most {min(height, width) - 1} for images of "
            f'{height}x{width} with augment.crop_mode = "reflect"'
        )
    offset = partial(jax.random.randint, shape=(2,), minval=-padding, maxval=padding + 1)
    offsets = _draw(offset, keys, "crop")
    rows = jnp.arange(height) + offsets[:, :1]
    columns = jnp.arange(width) + offsets[:, 1:]
    source = (_reflect(rows, height)[:, :, None], _reflect(columns, width)[:, None, :])
    windows = images[jnp.arange(batch)[:, None, None], *source]
    if mode == "reflect":
        return windows
    inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
    return jnp.where(inside[..., None], windows, 0)


def _reflect(positions: jax.Array, size: int) -> jax.Array:
    """Return positions mirrored at the first and last pixel, which are not repeated."""
    return (size - 1) - jnp.abs((size - 1) - jnp.abs(positions))


def _inside(positions: jax.Array, size: int) -> jax.Array:
    return (positions >= 0) & (positions < size)


@_built_in("cutout")
def _make_cutout(options: Options) -> Augmentation | None:
    size = options.config.cutout
    return _by_keys(cutout, size=size, fill=options.fill) if size else None


def cutout(images: jax.Array, keys: jax.Array, size: int, fill: ArrayLike = 0.0) -> jax.Array:
    """Cover a square with `fill`; its center lies anywhere in the image.

    Args:
      images: (batch, height, width, channels).
      keys: (batch,).
      size: side of the square in pixels.
      fill: a number or (channels,), in 0 to 255.

    References: DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with
    Cutout (2017).
    """
    _, height, width, _ = images.shape
    limits = jnp.asarray([height, width])
    center = partial(jax.random.randint, shape=(2,), minval=0, maxval=limits)
    starts = _draw(center, keys, "cutout") - size // 2
    rows = _inside(jnp.arange(height) - starts[:, :1], size)
    columns = _inside(jnp.arange(width) - starts[:, 1:], size)
    covered = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(covered, jnp.asarray(fill, images.dtype), images)


@_built_in("color_jitter")
def _make_color_jitter(options: Options) -> Augmentation | None:
    strength = options.config.color_jitter
    return _by_keys(color_jitter, strength=strength) if strength else None


def color_jitter(images: jax.Array, keys: jax.Array, strength: float) -> jax.Array:
    """Multiply brightness, contrast, then saturation by factors from 1 ± strength."""
    factor = partial(jax.random.uniform, shape=(3,), minval=1 - strength, maxval=1 + strength)
    return color.jitter(images, _draw(factor, keys, "color_jitter"))


@_built_in("brightness_contrast")
def _make_brightness_contrast(options: Options) -> Augmentation | None:
    limits = (options.config.brightness, options.config.contrast)
    uniform = partial(jax.random.uniform, shape=(2,), minval=-1.0, maxval=1.0)

    def change(images: jax.Array, batch: Batch) -> jax.Array:
        draws = jnp.array(limits) * _draw(uniform, batch.keys, "brightness_contrast")
        return color.shift_and_stretch(images, draws, options.fill, options.deviation)

    return change if any(limits) else None

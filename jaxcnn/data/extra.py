"""A registry of the user's augmentations, which `augment.extra` names."""

import zlib
from collections.abc import Callable

import jax

from jaxcnn.config.fields import FIELDS
from jaxcnn.config.part import Part
from jaxcnn.config.parts import Registry

_ImageFunction = Callable[[jax.Array, jax.Array], jax.Array]
_BUILT_IN = [name.removeprefix("augment.") for name in FIELDS if name.startswith("augment.")]
AUGMENTATIONS: Registry[_ImageFunction] = Registry(
    "augmentation", ["image", "key"], reserved=_BUILT_IN
)


def augmentation(name: str) -> Callable:
    """Register a function `(image, key) -> image` as an augmentation.

    `image` is float32 (height, width, channels) in 0 to 255; the result has the same shape. `key`
    is the example's PRNG key, the only source of randomness. `jax.vmap` maps the function over the
    batch, in the compiled training step.

    Args:
      name: the name to list in `config.augment.extra`.

    Returns:
      The decorator.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """

    def make_entry(function: _ImageFunction, part: Part) -> _ImageFunction:
        def checked(image: jax.Array, key: jax.Array) -> jax.Array:
            return part.check_array(function(image, key), image.shape).astype(image.dtype)

        return checked

    return AUGMENTATIONS.decorator(name, make_entry)


def make_extra(name: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return a user's augmentation as a function of images and keys.

    It maps float32 (batch, height, width, channels) and PRNG keys (batch,) to images.
    """
    number = zlib.crc32(f"extra/{name}".encode())  # so that no two augmentations share their keys

    def augment(image: jax.Array, key: jax.Array) -> jax.Array:
        return AUGMENTATIONS[name](image, jax.random.fold_in(key, number))

    return jax.vmap(augment)

"""What a trained network looks at: first filters, feature maps, and the pixels that count."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import Trained
from jaxcnn.nn.blocks import Group
from jaxcnn.nn.layer import Layer
from jaxcnn.nn.layers import Conv


def first_conv(trained: Trained) -> Conv | None:
    """The convolution on the image; None for a network that begins with another kind."""
    leaves = _leaves(trained.model)
    first = next((layer for layer in leaves if hasattr(layer, "kernel")), None)
    return first if isinstance(first, Conv) else None


def _leaves(layer: Layer) -> list[Layer]:
    if not isinstance(layer, Group):
        return [layer]
    return [leaf for child in layer.children for leaf in _leaves(child)]


def filters_of(conv: Conv) -> np.ndarray:
    """Its kernel as float32 (num_filters, height, width, channels)."""
    return np.moveaxis(np.asarray(conv.kernel[...]), -1, 0)


def choose_layers(trained: Trained, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The layers whose feature maps are shown: the named ones, else two.

    The two are the first convolution and the last layer with maps of more than a pixel; none for
    a network without a convolution on the image.

    Raises:
      UserError: a name is not that of a layer with maps.
    """
    there = _map_layers(trained)
    for name in names:
        if name not in there:
            known = ", ".join(there) or "none"
            raise UserError(f"{name}: not a layer with feature maps (there are: {known})")
    conv = first_conv(trained)
    last = [
        layer.path
        for layer in trained.model.children
        if layer.path in there and min(layer.output_shape[:2]) > 1  # a single pixel is no picture
    ][-1:]
    return tuple(names) or tuple(dict.fromkeys([conv.path, *last] if conv else []))


def _map_layers(trained: Trained) -> list[str]:
    """The layers whose output has a height and a width, in the order in which they are run."""
    found: list[str] = []  # what JAX returns it sorts by name

    def look(images: jax.Array) -> None:
        outputs: dict[str, jax.Array] = {}
        trained.scores(images, outputs)
        found.extend(name for name, output in outputs.items() if output.ndim == 4)

    jax.eval_shape(look, jax.ShapeDtypeStruct((1, *trained.image_shape), np.float32))
    return found


def probe(
    trained: Trained, images: np.ndarray, layers: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """How much each pixel counts for the predicted class, and the outputs of layers.

    Args:
      images: uint8 (n, height, width, channels).
      layers: names as of `choose_layers`.

    Returns:
      The gradient of the predicted class's score by the pixels, the largest magnitude of the
      channels, float32 (n, height, width); and layer → float32 (n, height', width', channels').

    References:
      Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2013.
      https://arxiv.org/abs/1312.6034
    """
    graph, arrays = nnx.split(trained.model)

    def predicted_scores(pixels: jax.Array, arrays: Any) -> tuple[jax.Array, dict]:
        outputs: dict[str, jax.Array] = {}
        network = dataclasses.replace(trained, model=nnx.merge(graph, arrays))
        scores = network.scores(pixels, outputs)
        chosen = {name: outputs[name].astype(jnp.float32) for name in layers}
        # an image's score depends on no other image, so the sum's gradient holds each one's
        return jnp.sum(jnp.max(scores, axis=-1)), chosen

    gradient = jax.jit(jax.grad(predicted_scores, has_aux=True))
    by_pixel, outputs = jax.device_get(gradient(images.astype(np.float32), arrays))
    return np.abs(by_pixel).max(axis=-1), outputs

"""Probes into a trained network: first-layer filters, feature maps, saliency, Grad-CAM."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import Trained
from jaxcnn.nn.blocks import Group
from jaxcnn.nn.flax_module import FlaxModule
from jaxcnn.nn.heads import to_scores
from jaxcnn.nn.layer import Layer, is_of_a_user
from jaxcnn.nn.layers import Conv


def first_conv(trained: Trained) -> Conv | None:
    """Return the convolution on the image; None for a network that begins with another layer."""
    first = next(filter(_may_have_filters, _leaves(trained.model)), None)
    return first if isinstance(first, Conv) else None


def _may_have_filters(layer: Layer) -> bool:
    """Return whether a layer has a kernel, or variables under names that jaxcnn does not know."""
    is_foreign = isinstance(layer, FlaxModule) or is_of_a_user(type(layer))
    return hasattr(layer, "kernel") or (is_foreign and bool(layer.variables()))


def _leaves(layer: Layer) -> list[Layer]:
    if not isinstance(layer, Group):
        return [layer]
    return [leaf for child in layer.children for leaf in _leaves(child)]


def filters_of(conv: Conv) -> np.ndarray:
    """Return the kernel as float32 (num_filters, height, width, channels)."""
    return np.moveaxis(np.asarray(conv.kernel[...]), -1, 0)


def choose_layers(trained: Trained, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the layers whose feature maps are drawn: those named, or else two by default.

    The default is the first convolution and the last layer whose maps are larger than a pixel;
    none for a network that does not begin with a convolution.

    Raises:
      UserError: the network has no layer of a given name, or the layer has no feature maps.
    """
    map_layers = _map_layers(trained)
    for name in names:
        if name not in map_layers:
            choices = ", ".join(map_layers) or "none"
            raise UserError(f"{name}: not a layer with feature maps (there are: {choices})")
    conv = first_conv(trained)
    last = _last_maps(trained, map_layers)
    return tuple(names) or tuple(dict.fromkeys([conv.path, *last] if conv else []))


def _last_maps(trained: Trained, map_layers: Sequence[str]) -> list[str]:
    """Return the last layer whose maps are larger than a pixel; [] without one."""
    return [
        layer.path
        for layer in trained.model.children
        if layer.path in map_layers and min(layer.output_shape[:2]) > 1
    ][-1:]


def _map_layers(trained: Trained) -> list[str]:
    """Return the layers whose output has a height and a width, in the order of execution."""
    names: list[str] = []  # filled while tracing, because JAX sorts the dict that it returns

    def trace(images: jax.Array) -> None:
        outputs: dict[str, jax.Array] = {}
        trained.forward(images, outputs)
        names.extend(name for name, output in outputs.items() if output.ndim == 4)

    jax.eval_shape(trace, jax.ShapeDtypeStruct((1, *trained.image_shape), np.float32))
    return names


def saliency_and_maps(
    trained: Trained, images: np.ndarray, layers: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return how much each pixel counts for the predicted class, and the outputs of layers.

    Args:
      images: uint8 (n, height, width, channels).
      layers: names from `choose_layers`.

    Returns:
      The saliency, float32 (n, height, width): the gradient of the predicted class's logit with
      respect to the pixel, its largest magnitude over the channels. And for each layer its output,
      float32 (n, height', width', channels').

    References:
      Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2013.
      https://arxiv.org/abs/1312.6034
    """
    graph, arrays = nnx.split(trained.model)

    def predicted_logits(pixels: jax.Array, arrays: Any) -> tuple[jax.Array, dict]:
        outputs: dict[str, jax.Array] = {}
        network = dataclasses.replace(trained, model=nnx.merge(graph, arrays))
        logits = network.forward(pixels, outputs)
        maps = {name: outputs[name].astype(jnp.float32) for name in layers}
        # a logit depends on its own image only, so the gradient of the sum holds each image's
        return jnp.sum(jnp.max(logits, axis=-1)), maps

    gradient = jax.jit(jax.grad(predicted_logits, has_aux=True))
    by_pixel, maps = jax.device_get(gradient(images.astype(np.float32), arrays))
    return np.abs(by_pixel).max(axis=-1), maps


def grad_cam(trained: Trained, images: np.ndarray) -> np.ndarray | None:
    """Return the regions that speak for the predicted class of each image, by Grad-CAM.

    The maps are those of the last layer whose maps are larger than a pixel. Each map weighs as much
    as its mean gradient; what speaks against the class counts as 0.

    Args:
      images: uint8 (n, height, width, channels).

    Returns:
      float32 (n, height, width), 0 to 1 in each image, enlarged to the image's size; None for a
      network without maps.

    References:
      Selvaraju et al. 2017, Grad-CAM, https://arxiv.org/abs/1610.02391
    """
    regions = compile_grad_cam(trained)
    return None if regions is None else regions(images)


def compile_grad_cam(trained: Trained) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return `grad_cam` of a network as a function of images, which compiles once for each shape.

    None for a network without maps.
    """
    layer = _last_maps(trained, _map_layers(trained))
    if not layer:
        return None
    graph, arrays = nnx.split(trained.model)
    dtype, heads = jnp.dtype(trained.config.precision), trained.config.loss.heads

    @jax.jit
    def regions(pixels: jax.Array, arrays: Any) -> jax.Array:
        scaled = (pixels.astype(jnp.float32) - trained.pixel_shift) * trained.pixel_scale
        maps, rest = nnx.merge(graph, arrays).from_layer(scaled, layer[0], dtype=dtype)
        # a logit depends on its own image only, so the gradient of the sum holds each image's
        slope = jax.grad(lambda x: jnp.sum(jnp.max(to_scores(rest(x), heads), axis=-1)))(maps)
        maps, slope = maps.astype(jnp.float32), slope.astype(jnp.float32)
        weighted = jax.nn.relu(jnp.sum(maps * slope.mean(axis=(1, 2), keepdims=True), axis=-1))
        enlarged = jax.image.resize(weighted, (len(pixels), *pixels.shape[1:3]), "bilinear")
        highest = enlarged.max(axis=(1, 2), keepdims=True)
        return enlarged / jnp.where(highest > 0, highest, 1)

    return lambda images: np.asarray(regions(images, arrays))

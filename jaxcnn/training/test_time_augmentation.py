"""Test-time augmentation: the weighted mean of the scores of mirrored and shifted images.

References: Jordan 2024, https://arxiv.org/abs/2404.00498
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.nn.heads import to_scores
from jaxcnn.training.losses import is_correct, make_targets
from jaxcnn.training.recipe import Recipe

# of the image and its mirror image, and of two shifted images and their mirror images
WEIGHTS = (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)


def six_views(images: jax.Array) -> jax.Array:
    """Return six views of each image.

    They are the image, the image shifted down and right by a pixel, and the image shifted up and
    left by a pixel, each followed by its mirror image. Shifted images reflect their border.

    Args:
      images: (batch, height, width, channels).

    Returns:
      (6, batch, height, width, channels).
    """
    _, height, width, _ = images.shape
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    shifted = [images, padded[:, :height, :width], padded[:, 2:, 2:]]
    return jnp.stack([view for image in shifted for view in (image, image[:, :, ::-1])])


def make_score(recipe: Recipe, *, batch_size: int) -> Callable:
    """Return the function that computes test accuracies, to be compiled.

    Args:
      recipe: of the run.
      batch_size: images that are evaluated at once.

    Returns:
      `score(params, batch_stats, data) -> {"accuracy": …, "tta_accuracy": …}`, float32 ():
      the accuracy on the images, and that of the weighted mean of the scores of their six views.
    """

    def score(params: dict[str, Any], batch_stats: dict[str, Any], data: dict[str, jax.Array]):
        model = nnx.merge(recipe.eval_graph, nnx.State(params), nnx.State(batch_stats))

        def scores_of(images: jax.Array) -> jax.Array:
            views = six_views(recipe.scale(images))
            inputs = views.reshape(-1, *views.shape[2:])
            outputs = model(inputs, heads=True, dtype=recipe.dtype)
            scores = to_scores(outputs, recipe.heads).reshape(*views.shape[:2], -1)
            weights = np.array(WEIGHTS, np.float32)[:, None, None]
            return jnp.stack([scores[0], (weights * scores).sum(0)])

        scores = _in_batches(scores_of, data["images"], batch_size)
        targets = make_targets(data["labels"], recipe.num_classes)
        plain, augmented = (is_correct(logits, targets).mean() for logits in scores)
        return {"accuracy": plain, "tta_accuracy": augmented}

    return score


def _in_batches(function: Callable, images: jax.Array, batch_size: int) -> jax.Array:
    """Return a function's outputs for all images, computed in batches.

    Args:
      function: maps (batch, height, width, channels) to (k, batch, ...).
      images: (images, height, width, channels).
      batch_size: images in a batch.

    Returns:
      (k, images, ...).
    """
    num_images = len(images)
    batch_size = min(batch_size, num_images)
    padded = jnp.pad(images, ((0, -num_images % batch_size), (0, 0), (0, 0), (0, 0)))
    outputs = jax.lax.map(function, padded.reshape(-1, batch_size, *images.shape[1:]))
    outputs = jnp.moveaxis(outputs, 0, 1)
    return outputs.reshape(len(outputs), -1, *outputs.shape[3:])[:, :num_images]

"""Test-time augmentation: the weighted mean of the scores of mirrored and shifted images.

References: Jordan 2024, https://arxiv.org/abs/2404.00498; for the least certain images,
https://github.com/hiverge/cifar10-speedrun
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
LEAST_CERTAIN = 0.25  # the part of the images that "least_certain" tests with views


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


def make_score(recipe: Recipe, *, batch_size: int, views: str = "all") -> Callable:
    """Return the function that computes test accuracies, to be compiled.

    Args:
      recipe: of the run.
      batch_size: images that are evaluated at once.
      views: the images whose scores are means over six views: "all", or "least_certain" for the
        quarter with the lowest probabilities of their predictions.

    Returns:
      `score(params, batch_stats, data) -> {"accuracy": …, "tta_accuracy": …}`, float32 (): the
      accuracy on the images, and the accuracy of the mean scores of their six views. With
      "least_certain" all views have the same weight.
    """
    scores_of = {"all": _scores_of_all, "least_certain": _scores_of_least_certain}[views]

    def score(params: dict[str, Any], batch_stats: dict[str, Any], data: dict[str, jax.Array]):
        model = nnx.merge(recipe.eval_graph, nnx.State(params), nnx.State(batch_stats))

        def predict(images: jax.Array) -> jax.Array:
            """Return the scores (batch, num_classes) of scaled images."""
            return to_scores(model(images, heads=True, dtype=recipe.dtype), recipe.heads)

        scores = scores_of(predict, recipe.scale, data["images"], batch_size)
        targets = make_targets(data["labels"], recipe.num_classes)
        plain, augmented = (is_correct(logits, targets).mean() for logits in scores)
        return {"accuracy": plain, "tta_accuracy": augmented}

    return score


def _scores_of_views(predict: Callable, images: jax.Array) -> jax.Array:
    """Return the scores of six views of scaled images, (6, batch, num_classes)."""
    views = six_views(images)
    return predict(views.reshape(-1, *views.shape[2:])).reshape(*views.shape[:2], -1)


def _scores_of_all(
    predict: Callable, scale: Callable, images: jax.Array, batch_size: int
) -> jax.Array:
    """Return the scores without and with views, (2, images, num_classes)."""
    weights = np.array(WEIGHTS, np.float32)[:, None, None]

    def scores_of(batch: jax.Array) -> jax.Array:
        scores = _scores_of_views(predict, scale(batch))
        return jnp.stack([scores[0], (weights * scores).sum(0)])

    return _in_batches(scores_of, images, batch_size)


def _scores_of_least_certain(
    predict: Callable, scale: Callable, images: jax.Array, batch_size: int
) -> jax.Array:
    """Return the scores without and with views of the least certain, (2, images, num_classes)."""

    def means_of_views(batch: jax.Array) -> jax.Array:
        return _scores_of_views(predict, scale(batch)).mean(0)[None]

    plain = _in_batches(lambda batch: predict(scale(batch))[None], images, batch_size)[0]
    certainties = jax.nn.softmax(plain).max(axis=-1)
    num_least = max(1, int(LEAST_CERTAIN * len(images)))
    _, least = jax.lax.top_k(-certainties, num_least)
    augmented = plain.at[least].set(_in_batches(means_of_views, images[least], batch_size)[0])
    return jnp.stack([plain, augmented])


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

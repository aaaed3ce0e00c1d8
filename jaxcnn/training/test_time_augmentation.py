"""Test-time augmentation: the mean of the scores of mirrored and shifted views of an image."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.training.losses import is_correct, make_targets, to_scores
from jaxcnn.training.recipe import Recipe

# of the image, and of two shifts of it; each as it is and mirrored
WEIGHTS = (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)


def six_views(images: jax.Array) -> jax.Array:
    """Each image, and a pixel up and left and down and right of it with the border reflected; each
    as it is and mirrored: (batch, height, width, channels) -> (6, batch, height, ...)."""
    _, height, width, _ = images.shape
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    shifted = [images, padded[:, :height, :width], padded[:, 2:, 2:]]
    return jnp.stack([view for image in shifted for view in (image, image[:, :, ::-1])])


def make_score(recipe: Recipe, *, batch_size: int) -> Callable:
    """`(params, batch_stats, data) -> {"accuracy": …, "tta_accuracy": …}`, float32 scalars: of the
    images as they are, and by the weighted mean of the scores of six views."""

    def score(params: dict[str, Any], batch_stats: dict[str, Any], data: dict[str, jax.Array]):
        model = nnx.merge(recipe.eval_graph, nnx.State(params), nnx.State(batch_stats))

        def scores_of(images: jax.Array) -> jax.Array:
            views = six_views(recipe.scale(images))
            outputs = model(views.reshape(-1, *views.shape[2:]), dtype=recipe.dtype)
            scores = to_scores(outputs, recipe.heads).reshape(*views.shape[:2], -1)
            weights = np.float32(WEIGHTS)[:, None, None]
            return jnp.stack([scores[0], (weights * scores).sum(0)])

        scores = _in_batches(scores_of, data["images"], batch_size)
        targets = make_targets(data["labels"], recipe.num_classes)
        plain, mean = (is_correct(each, targets).mean() for each in scores)
        return {"accuracy": plain, "tta_accuracy": mean}

    return score


def _in_batches(function: Callable, images: jax.Array, batch_size: int) -> jax.Array:
    """`function` of batches of the images, its outputs (k, batch, ...) joined to (k, n, ...)."""
    number = len(images)
    batch_size = min(batch_size, number)
    padded = jnp.pad(images, ((0, -number % batch_size), (0, 0), (0, 0), (0, 0)))
    outputs = jax.lax.map(function, padded.reshape(-1, batch_size, *images.shape[1:]))
    outputs = jnp.moveaxis(outputs, 0, 1)
    return outputs.reshape(len(outputs), -1, *outputs.shape[3:])[:, :number]

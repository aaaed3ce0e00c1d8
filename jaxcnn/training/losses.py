"""Losses and scores of a batch, for labels or label distributions, and one head or several."""

import functools
import operator

import jax
import jax.numpy as jnp
import optax

from jaxcnn.nn.heads import head_weight, to_scores
from jaxcnn.optim.losses import Loss


def make_targets(
    labels: jax.Array, num_classes: int, label_smoothing: jax.Array | float = 0.0
) -> jax.Array:
    """Return the target distributions of labels, float32 (batch, num_classes).

    Args:
      labels: classes int32 (batch,), or distributions float32 (batch, num_classes).
      num_classes: number of classes.
      label_smoothing: the share of each distribution that is spread evenly over all classes.
    """
    targets = labels if labels.ndim == 2 else jax.nn.one_hot(labels, num_classes)
    return optax.smooth_labels(targets, label_smoothing)


def losses_and_scores(
    outputs: jax.Array | dict[str, jax.Array],
    targets: jax.Array,
    heads: str = "prob_mix",
    loss: Loss = optax.softmax_cross_entropy,
) -> tuple[jax.Array, jax.Array]:
    """Return the loss of each example, and the scores whose argmax is the prediction.

    Args:
      outputs: logits (batch, num_classes), or `{"main": …, "aux1": …, …}` for several heads.
      targets: distributions (batch, num_classes).
      heads: how several heads combine. "prob_mix" mixes their probabilities, with weight 1 for the
        main head and 0.3 for each auxiliary head, in training and in evaluation. "weighted_loss"
        adds 0.3 of each auxiliary loss to the main loss, and the main head alone predicts.
      loss: of scores and targets, see `jaxcnn.optim.losses`; cross-entropy by default.

    Returns:
      Losses (batch,) and scores (batch, num_classes), float32.

    References:
      "prob_mix": [classic], see docs/publications.md. "weighted_loss": Szegedy et al.
      2014, Going Deeper with Convolutions, https://arxiv.org/abs/1409.4842.
    """
    scores = to_scores(outputs, heads)
    if isinstance(outputs, dict) and len(outputs) > 1 and heads == "weighted_loss":
        losses = [head_weight(name) * loss(outputs[name], targets) for name in outputs]
        return functools.reduce(operator.add, losses), scores
    return loss(scores, targets), scores


def is_correct(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """Return whether the highest score is at the target's highest entry, bool (batch,).

    Ties go to the first entry.

    Args:
      scores: (batch, num_classes).
      targets: (batch, num_classes).
    """
    return jnp.argmax(scores, axis=-1) == jnp.argmax(targets, axis=-1)

"""Losses and scores of a batch, for labels or label distributions, and one head or several."""

import functools
import operator

import jax
import jax.numpy as jnp
import optax

from jaxcnn.optim.losses import Loss

AUX_WEIGHT = 0.3  # weight of each auxiliary head; the main head has 1


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
      "prob_mix": [classic-networks], see docs/publications.md. "weighted_loss": Szegedy et al.
      2014, Going Deeper with Convolutions, https://arxiv.org/abs/1409.4842.
    """
    scores = to_scores(outputs, heads)
    if isinstance(outputs, dict) and heads == "weighted_loss":
        losses = [_head_weight(name) * loss(outputs[name], targets) for name in outputs]
        return functools.reduce(operator.add, losses), scores
    return loss(scores, targets), scores


def to_scores(outputs: jax.Array | dict[str, jax.Array], heads: str = "prob_mix") -> jax.Array:
    """Return the scores (batch, num_classes) whose softmax gives the network's probabilities.

    They are the logits of a single head. For several heads they are the logarithm of the mixed
    probabilities ("prob_mix"), or the main head's logits ("weighted_loss").
    """
    if not isinstance(outputs, dict):
        return outputs
    if heads == "weighted_loss":
        return outputs["main"]
    weighted = [jnp.log(_head_weight(n)) + jax.nn.log_softmax(outputs[n]) for n in outputs]
    return jax.nn.logsumexp(jnp.stack(weighted), axis=0) - jnp.log(sum(map(_head_weight, outputs)))


def _head_weight(name: str) -> float:
    return 1.0 if name == "main" else AUX_WEIGHT


def is_correct(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """Return whether the highest score is at the target's highest entry, bool (batch,).

    Ties go to the first entry.

    Args:
      scores: (batch, num_classes).
      targets: (batch, num_classes).
    """
    return jnp.argmax(scores, axis=-1) == jnp.argmax(targets, axis=-1)

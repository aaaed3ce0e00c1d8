"""Losses and scores of a batch, also for label distributions and several heads."""

import jax
import jax.numpy as jnp
import optax

AUX_WEIGHT = 0.3  # of each auxiliary head


def make_targets(
    labels: jax.Array, num_classes: int, label_smoothing: jax.Array | float = 0.0
) -> jax.Array:
    """Labels int32 (batch,) or distributions float32 (batch, num_classes) → (batch, num_classes).

    With label smoothing that share of the mass is spread evenly over the classes.
    """
    targets = labels if labels.ndim == 2 else jax.nn.one_hot(labels, num_classes)
    return optax.smooth_labels(targets, label_smoothing)


def cross_entropy(
    outputs: jax.Array | dict[str, jax.Array], targets: jax.Array, heads: str = "prob_mix"
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of each example, and the scores whose argmax is the prediction.

    Args:
      outputs: logits (batch, num_classes), or `{"main": …, "aux1": …, …}` of several heads.
      targets: distributions (batch, num_classes).
      heads: how several heads combine. "prob_mix": −log of the mean of the heads' probabilities,
        auxiliary ones weighted 0.3, also in evaluation (004_a15b95ab2bdb4599.txt);
        "weighted_loss": the main head's loss plus 0.3 of each other's, the main head predicts
        (Szegedy et al., Going deeper with convolutions).

    Returns:
      (batch,) and (batch, num_classes), float32.
    """
    scores = to_scores(outputs, heads)
    if isinstance(outputs, dict) and heads == "weighted_loss":
        each = {name: optax.softmax_cross_entropy(outputs[name], targets) for name in outputs}
        return sum(_head_weight(name) * loss for name, loss in each.items()), scores
    return optax.softmax_cross_entropy(scores, targets), scores


def to_scores(outputs: jax.Array | dict[str, jax.Array], heads: str = "prob_mix") -> jax.Array:
    """The scores (batch, num_classes) whose softmax are the network's probabilities.

    The logits of a network with one head. Of several heads see `cross_entropy`: the logarithm of
    their mixed probabilities, or the main head's logits.
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
    """Whether the highest score is the target's highest entry (the first one on ties): (batch,)."""
    return jnp.argmax(scores, axis=-1) == jnp.argmax(targets, axis=-1)

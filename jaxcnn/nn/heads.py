"""Scores of a network with one head or several."""

import jax
import jax.numpy as jnp

AUX_WEIGHT = 0.3  # weight of each auxiliary head; the main head has 1


def to_scores(outputs: jax.Array | dict[str, jax.Array], heads: str = "prob_mix") -> jax.Array:
    """Return the scores (batch, num_classes) whose softmax gives the network's probabilities.

    They are the logits of a single head. For several heads they are the logarithm of the mixed
    probabilities ("prob_mix"), or the main head's logits ("weighted_loss").

    Args:
      outputs: logits (batch, num_classes), or `{"main": …, "aux1": …, …}` by head.
      heads: "prob_mix" or "weighted_loss".
    """
    if not isinstance(outputs, dict):
        return outputs
    if len(outputs) == 1 or heads == "weighted_loss":
        return outputs["main"]
    weighted = [jnp.log(head_weight(n)) + jax.nn.log_softmax(outputs[n]) for n in outputs]
    return jax.nn.logsumexp(jnp.stack(weighted), axis=0) - jnp.log(sum(map(head_weight, outputs)))


def head_weight(name: str) -> float:
    """Return the weight of a head's probabilities or loss."""
    return 1.0 if name == "main" else AUX_WEIGHT

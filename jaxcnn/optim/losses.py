"""A registry of losses: functions from scores and targets to the loss of each example."""

from collections.abc import Callable

import jax
import optax

from jaxcnn.config.parts import Part, Registry

Loss = Callable[[jax.Array, jax.Array], jax.Array]
LOSSES: Registry[Loss] = Registry("loss", ["scores", "targets"])
LOSSES["cross_entropy"] = optax.softmax_cross_entropy


def loss(name: str) -> Callable:
    """Register a function `(scores, targets) -> losses` as a loss.

    `scores` are float32 (batch, num_classes); their softmax gives the probabilities. `targets` are
    distributions, float32 (batch, num_classes): one-hot labels, smoothed and mixed as the config
    says, or votes. The result is float (batch,).

    Args:
      name: the name in `config.loss.name`.

    Returns:
      The decorator.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """

    def make_entry(function: Loss, part: Part) -> Loss:
        def checked(scores: jax.Array, targets: jax.Array) -> jax.Array:
            losses = part.floats(function(scores, targets), scores.shape[:1])
            return losses.astype(scores.dtype)

        return checked

    return LOSSES.decorator(name, make_entry)

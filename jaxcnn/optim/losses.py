"""A registry of losses: functions from scores and targets to the loss of each example."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.config.part import Part
from jaxcnn.config.parts import Registry

Loss = Callable[[jax.Array, jax.Array], jax.Array]
LOSSES: Registry[Loss] = Registry("loss", ["scores", "targets"])
LOSSES.built_in("cross_entropy")(optax.softmax_cross_entropy)
_LEAST_DOUBT = 1e-7  # of a probability of 1; its power has a gradient


@LOSSES.built_in("focal")
def focal(scores: jax.Array, targets: jax.Array, gamma: float = 2.0) -> jax.Array:
    """Return the cross-entropy in which a class of probability p weighs (1 - p) ** gamma.

    So examples that are recognized well count less. With gamma 0 it is the cross-entropy.

    References: Lin et al. 2017, Focal Loss for Dense Object Detection,
    https://arxiv.org/abs/1708.02002
    """
    log_probabilities = jax.nn.log_softmax(scores)
    doubt = jnp.maximum(-jnp.expm1(log_probabilities), _LEAST_DOUBT)
    return -jnp.sum(targets * doubt**gamma * log_probabilities, axis=-1)


def make_loss(config: Any) -> Loss:
    """Return the loss that a config names.

    Args:
      config: the `loss` part of a run's config, checked.
    """
    if config.name == "focal":
        return functools.partial(focal, gamma=config.focal_gamma)
    return LOSSES[config.name]


def balancing_weights(counts: np.ndarray) -> np.ndarray:
    """Return the weights of classes that give each class the same total weight.

    It is the number of examples over (number of classes * the class's examples), so the examples'
    mean weight is 1. Classes without examples are left out and have the weight 1.

    Args:
      counts: int (num_classes,), the examples of each class.

    Returns:
      float32 (num_classes,).
    """
    filled = counts > 0
    weights = counts.sum() / (filled.sum() * np.maximum(counts, 1))
    return np.where(filled, weights, 1).astype(np.float32)


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
            losses = part.check_array(function(scores, targets), scores.shape[:1])
            return losses.astype(scores.dtype)

        return checked

    return LOSSES.decorator(name, make_entry)

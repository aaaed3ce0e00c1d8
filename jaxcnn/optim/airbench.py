"""The optimizer of the CIFAR-10 speed record: Muon for filters, SGD for biases and the head.

Its learning rates are those of the record. They apply to gradients of the loss summed over the
batch.

References: Jordan, https://github.com/KellerJordan/cifar10-airbench (`airbench94_muon.py`) and
https://kellerjordan.github.io/posts/muon
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxcnn.models.airbench import WHITENING

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 3
NEWTON_SCHULZ_DTYPE = jnp.bfloat16


@dataclasses.dataclass(frozen=True)
class SGD:
    """The constants of a record's SGD with Nesterov momentum.

    Attributes:
      bias_rate, head_rate: the first learning rates of the biases and of the head.
      momentum: Nesterov momentum.
      whitening_share: the first part of the run, in which the whitening bias is trained.
    """

    bias_rate: float
    head_rate: float
    momentum: float
    whitening_share: float


SGD_OF_RECORD = SGD(bias_rate=0.053, head_rate=0.67, momentum=0.85, whitening_share=3 / 8)


def airbench(
    filter_rate: jax.Array,
    momentum: jax.Array,
    weight_decay: jax.Array,
    global_batch_size: jax.Array,
    *,
    first_filter_rate: ArrayLike,
) -> optax.GradientTransformation:
    """Return Muon for 4-dimensional parameters, and SGD with Nesterov momentum for the others.

    Args:
      filter_rate: float32 (), Muon's learning rate. SGD's rates fall in the same proportion from
        their first values.
      momentum: float32 (), Muon's Nesterov momentum.
      weight_decay: float32 (), SGD's weight decay per example of the batch.
      global_batch_size: float32 (), examples in a batch; the gradients are of their mean loss.
      first_filter_rate: float32 (), the rate at which the schedule starts.
    """
    factor = filter_rate / jnp.maximum(first_filter_rate, 1e-12)
    groups = sgd_groups(SGD_OF_RECORD, factor, weight_decay * global_batch_size)
    groups["filters"] = muon(filter_rate, momentum)
    return optax.chain(optax.scale(global_batch_size), optax.partition(groups, group_names))


def sgd_groups(
    settings: SGD, factor: jax.Array, decay: jax.Array
) -> dict[str, optax.GradientTransformation]:
    """Return a record's SGD for each group of parameters but the filters.

    Args:
      settings: the record's constants.
      factor: float32 (), of the first learning rates, falling from 1 to 0 over the run.
      decay: float32 (), weight decay, decoupled from the first learning rates.
    """
    whitening_factor = jnp.maximum(0.0, 1 - (1 - factor) / settings.whitening_share)

    def sgd(first_rate: float, factor: jax.Array) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(decay / first_rate),
            optax.trace(settings.momentum, nesterov=True),
            optax.scale_by_learning_rate(first_rate * factor),
        )

    return {
        "head": sgd(settings.head_rate, factor),
        "biases": sgd(settings.bias_rate, factor),
        "whitening bias": sgd(settings.bias_rate, whitening_factor),
    }


def group_names(params: dict) -> dict:
    """Return the name of each parameter's group."""

    def name(path: tuple, leaf: jax.Array) -> str:
        if path[0].key == WHITENING:
            return "whitening bias"
        return {4: "filters", 2: "head"}.get(leaf.ndim, "biases")

    return jax.tree_util.tree_map_with_path(name, params)


def muon(learning_rate: jax.Array, momentum: jax.Array) -> optax.GradientTransformation:
    """Return Muon: orthogonalized Nesterov momentum, with filters of constant norm.

    Before each step the norm of a layer's filters is set to the square root of its outputs. The
    orthogonalized step has about the same norm, so the rate is about the angle by which the filters
    turn, in radians.

    Args:
      learning_rate: float32 ().
      momentum: float32 ().
    """

    def onto_sphere(updates: dict, params: dict) -> dict:
        def add(update, kernel):
            norm = jnp.linalg.norm(kernel.ravel())
            return update + kernel * (math.sqrt(kernel.shape[-1]) / norm - 1)

        return jax.tree.map(add, updates, params)

    return optax.chain(
        optax.trace(momentum, nesterov=True),
        optax.stateless(lambda updates, _: jax.tree.map(orthogonalize, updates)),
        optax.scale_by_learning_rate(learning_rate),
        optax.stateless(onto_sphere),
    )


def orthogonalize(kernel: jax.Array) -> jax.Array:
    """Return a kernel whose singular values, as a matrix (inputs, outputs), are near 1.

    Three steps of a quintic Newton-Schulz iteration in bfloat16 bring them to about 0.5 to 1.5.

    Args:
      kernel: float32 (..., outputs).
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    matrix = newton_schulz(matrix / (jnp.linalg.norm(matrix) + 1e-7), NEWTON_SCHULZ)
    return matrix.reshape(kernel.shape)


def newton_schulz(matrix: jax.Array, coefficients: tuple[float, float, float]) -> jax.Array:
    """Return a matrix after three steps of a quintic Newton-Schulz iteration in bfloat16.

    Args:
      matrix: float32 (inputs, outputs), with norm 1.
      coefficients: of the iteration's terms of degree 1, 3 and 5.
    """
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.astype(NEWTON_SCHULZ_DTYPE)
    x = x.T if is_tall else x
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).astype(matrix.dtype)

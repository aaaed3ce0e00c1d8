"""The optimizer of the CIFAR-10 speed record: Muon for filters, SGD for biases and the head.

Its learning rates are those of the record. They apply to gradients of the loss summed over the
batch.

References: Jordan, https://github.com/KellerJordan/cifar10-airbench (`airbench94_muon.py`) and
https://kellerjordan.github.io/posts/muon
"""

import math

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxcnn.models.airbench import WHITENING

BIAS_RATE, HEAD_RATE = 0.053, 0.67
SGD_MOMENTUM = 0.85
WHITENING_SHARE = 3 / 8  # the first part of the run, in which the whitening bias is trained
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 3
NEWTON_SCHULZ_DTYPE = jnp.bfloat16


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
    whitening_factor = jnp.maximum(0.0, 1 - (1 - factor) / WHITENING_SHARE)
    decay = weight_decay * global_batch_size

    def sgd(first_rate: float, factor: jax.Array) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(decay / first_rate),
            optax.trace(SGD_MOMENTUM, nesterov=True),
            optax.scale_by_learning_rate(first_rate * factor),
        )

    groups = {
        "filters": muon(filter_rate, momentum),
        "head": sgd(HEAD_RATE, factor),
        "biases": sgd(BIAS_RATE, factor),
        "whitening bias": sgd(BIAS_RATE, whitening_factor),
    }
    return optax.chain(optax.scale(global_batch_size), optax.partition(groups, _group_names))


def _group_names(params: dict) -> dict:
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
    a, b, c = NEWTON_SCHULZ
    matrix = kernel.reshape(-1, kernel.shape[-1])
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix / (jnp.linalg.norm(matrix) + 1e-7)).astype(NEWTON_SCHULZ_DTYPE)
    x = x.T if is_tall else x
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).astype(kernel.dtype).reshape(kernel.shape)

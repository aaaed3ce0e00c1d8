"""The optimizer of the CIFAR-10 speed record: Muon for filters, SGD for biases and the head.

Its rates are those of the record, for gradients of a loss that is summed over the batch.

References: Jordan, https://github.com/KellerJordan/cifar10-airbench (`airbench94_muon.py`) and
https://kellerjordan.github.io/posts/muon
"""

import math

import jax
import jax.numpy as jnp
import optax

from jaxcnn.models.airbench import WHITENING

BIAS_RATE, HEAD_RATE = 0.053, 0.67
SGD_MOMENTUM = 0.85
WHITENING_SHARE = 3 / 8  # of the run, in which the whitening layer's bias is trained
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 3
NEWTON_SCHULZ_DTYPE = jnp.bfloat16


def airbench(
    filter_rate: jax.Array,
    momentum: jax.Array,
    weight_decay: jax.Array,
    global_batch_size: jax.Array,
    *,
    first_filter_rate: jax.Array,
) -> optax.GradientTransformation:
    """Muon for 4-dimensional parameters, SGD with Nesterov momentum for the others.

    Args:
      filter_rate: Muon's learning rate; SGD's are lowered from theirs as it is from its first.
      momentum: Muon's, Nesterov.
      weight_decay: SGD's, of an example: the batch's is that of all its examples.
      global_batch_size: examples in a batch; the gradients are of their mean loss.
      first_filter_rate: the rate that the schedule starts from.
    """
    factor = filter_rate / jnp.maximum(first_filter_rate, 1e-12)
    of_whitening = jnp.maximum(0.0, 1 - (1 - factor) / WHITENING_SHARE)
    decay = weight_decay * global_batch_size

    def sgd(first_rate: float, factor: jax.Array) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(decay / first_rate),
            optax.trace(SGD_MOMENTUM, nesterov=True),
            optax.scale_by_learning_rate(first_rate * factor),
        )

    by_group = {
        "filters": muon(filter_rate, momentum),
        "head": sgd(HEAD_RATE, factor),
        "biases": sgd(BIAS_RATE, factor),
        "whitening bias": sgd(BIAS_RATE, of_whitening),
    }
    return optax.chain(optax.scale(global_batch_size), optax.partition(by_group, _groups))


def _groups(params: dict) -> dict:
    def name(path: tuple, leaf: jax.Array) -> str:
        if path[0].key == WHITENING:
            return "whitening bias"
        return {4: "filters", 2: "head"}.get(leaf.ndim, "biases")

    return jax.tree_util.tree_map_with_path(name, params)


def muon(learning_rate: jax.Array, momentum: jax.Array) -> optax.GradientTransformation:
    """Momentum, orthogonalised; before each step a filter bank's norm is set to √outputs.

    The norm of the step is about that as well, so the rate is the angle by which filters turn.
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
    """The kernel (..., outputs), as a matrix (rest, outputs), with all singular values near 1.

    Three steps of a quintic iteration in bfloat16, which bring them roughly to 0.5 to 1.5.
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

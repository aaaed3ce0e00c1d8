"""The optimizer of the CIFAR-10 speed record of 2025: another Muon for filters, and SGD.

Muon resets the filters' norms more and more rarely, and decays the filters. The learning rates are
those of the record. They apply to gradients of the loss summed over the batch.

Source: https://github.com/hiverge/cifar10-speedrun (`cifar10_speedrun.py`), commit 5cd49b1.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxcnn.optim.airbench import SGD, group_names, newton_schulz, sgd_groups

SGD_OF_RECORD = SGD(bias_rate=0.0573, head_rate=0.5415, momentum=0.825, whitening_share=7 / 243)
NEWTON_SCHULZ = (3.4576, -4.7391, 2.0843)
FIRST_NORM, LAST_NORM = 0.5012, 0.0786  # of a gradient before it is normalized
EPSILON = 1e-5  # summand of both norms


class MuonState(NamedTuple):
    """The state of the record's Muon.

    Attributes:
      trace: the momentum.
      step: int32 (), steps done.
      reset_step: int32 (), the step that last reset the filters' norms; 0 before the first.
    """

    trace: optax.TraceState
    step: jax.Array
    reset_step: jax.Array


def airbench2025(
    filter_rate: jax.Array,
    momentum: jax.Array,
    weight_decay: jax.Array,
    global_batch_size: jax.Array,
    num_steps: jax.Array,
    *,
    first_filter_rate: ArrayLike,
) -> optax.GradientTransformation:
    """Return Muon for 4-dimensional parameters, and SGD with Nesterov momentum for the others.

    Args:
      filter_rate: float32 (), Muon's learning rate. SGD's rates fall in the same proportion from
        their first values.
      momentum: float32 (), Muon's Nesterov momentum.
      weight_decay: float32 (), weight decay per example of the batch.
      global_batch_size: float32 (), examples in a batch; the gradients are of their mean loss.
      num_steps: float32 (), steps of the whole run.
      first_filter_rate: float32 (), the rate at which the schedule starts.
    """
    factor = filter_rate / jnp.maximum(first_filter_rate, 1e-12)
    decay = weight_decay * global_batch_size
    groups = sgd_groups(SGD_OF_RECORD, factor, decay)
    groups["filters"] = muon(filter_rate, momentum, decay, num_steps)
    return optax.chain(optax.scale(global_batch_size), optax.partition(groups, group_names))


def muon(
    learning_rate: jax.Array, momentum: jax.Array, decay: jax.Array, num_steps: jax.Array
) -> optax.GradientTransformation:
    """Return Muon whose filters get a norm of sqrt(outputs) every 2 to 17 steps.

    Args:
      learning_rate, momentum: float32 ().
      decay: float32 (), the share of the filters, times the rate, that each step takes away.
      num_steps: float32 (), steps of the whole run.
    """
    trace = optax.trace(momentum, nesterov=True)

    def init(params):
        return MuonState(trace.init(params), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    def update(updates, state, params):
        directions, trace_state = trace.update(updates, state.trace)
        step = state.step + 1
        is_reset = is_reset_due(step, state.reset_step, num_steps)
        norm = gradient_norm(step / num_steps)

        def move(direction, kernel):
            length = jnp.linalg.norm(kernel.ravel()) + 1e-7
            scale = jnp.where(is_reset, math.sqrt(kernel.shape[-1]) / length, 1.0)
            moved = kernel * scale - learning_rate * orthogonalize(direction, norm)
            return moved * (1 - learning_rate * decay) - kernel

        moves = jax.tree.map(move, directions, params)
        reset_step = jnp.where(is_reset, step, state.reset_step)
        return moves, MuonState(trace_state, step, reset_step)

    return optax.GradientTransformation(init, update)


def is_reset_due(step: jax.Array, reset_step: jax.Array, num_steps: jax.Array) -> jax.Array:
    """Return whether a step (1-based) resets the filters' norms, bool ()."""
    interval = 2 + 15 * step // num_steps.astype(jnp.int32)
    return step - reset_step >= interval


def gradient_norm(progress: jax.Array) -> jax.Array:
    """Return the norm that a gradient gets before it is normalized, for a progress in 0 to 1."""
    return FIRST_NORM * (1 - progress) + LAST_NORM * progress


def orthogonalize(kernel: jax.Array, norm: jax.Array) -> jax.Array:
    """Return a kernel whose singular values, as a matrix (inputs, outputs), are near 1.

    Args:
      kernel: float32 (..., outputs).
      norm: float32 (), see `gradient_norm`; it matters for tiny gradients alone.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    matrix = matrix * (norm / (jnp.linalg.norm(matrix) + EPSILON))
    matrix = newton_schulz(matrix / (jnp.linalg.norm(matrix) + EPSILON), NEWTON_SCHULZ)
    return matrix.reshape(kernel.shape)

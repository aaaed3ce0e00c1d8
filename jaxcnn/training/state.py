"""The state of a run: one pytree of arrays, all that a checkpoint needs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct


class TrainState(struct.PyTreeNode):
    """Everything that changes from step to step.

    Random keys are derived from (seed, step) and never stored.

    Attributes:
      step: int32 (), steps done so far.
      params: nested dict of float32 arrays.
      batch_stats: nested dict of float32 arrays, BatchNorm's running statistics.
      opt_state: the optimizer's.
      ema: moving average of params, or {} where there is none.
      hyperparams: the numbers a study varies beside the optimizer's own: float32 ()
        `learning_rate` and `label_smoothing`, int32 () `seed` of dropout and augmentation.
      rate_scale: float32 (), by which steps that were not finite have lowered the learning rate.
      sums: what the epoch has added up so far, see `zero_sums`.
    """

    step: jax.Array
    params: dict[str, Any]
    batch_stats: dict[str, Any]
    opt_state: optax.OptState
    ema: dict[str, Any]
    hyperparams: dict[str, jax.Array]
    rate_scale: jax.Array
    sums: dict[str, jax.Array]

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The parameters that are evaluated: the moving average where there is one."""
        return self.ema or self.params


def zero_sums() -> dict[str, np.ndarray]:
    """Sums over examples: `loss`, `correct`, `count`; the number of `bad_steps`, whose loss or
    gradient was not finite, the first `bad_step`, −1 for none; and the global `gradient_norm` of
    the last step that was finite."""
    names = ("loss", "correct", "count", "gradient_norm")
    sums = {name: np.zeros((), np.float32) for name in names}
    return sums | {"bad_step": np.full((), -1, np.int32), "bad_steps": np.zeros((), np.int32)}


def create_state(
    params: dict,
    batch_stats: dict,
    optimizer: optax.GradientTransformation,
    *,
    hyperparams: dict[str, Any],
    ema: bool,
) -> TrainState:
    """The state before the first step; the fields are `TrainState`'s."""
    return TrainState(
        step=np.zeros((), np.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=jax.jit(optimizer.init)(params),
        ema=jax.tree.map(jnp.copy, params) if ema else {},
        hyperparams=hyperparams,
        rate_scale=np.ones((), np.float32),
        sums=zero_sums(),
    )


def with_hyperparams_of(configured: TrainState, restored: TrainState) -> TrainState:
    """The restored state with the numbers that the config gives now: they may have been changed."""
    opt_state = restored.opt_state._replace(hyperparams=configured.opt_state.hyperparams)
    return restored.replace(hyperparams=configured.hyperparams, opt_state=opt_state)

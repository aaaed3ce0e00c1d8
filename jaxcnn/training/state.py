"""The training state: one pytree with all arrays that a checkpoint needs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

Array = jax.Array | np.ndarray


class TrainState(struct.PyTreeNode):
    """All arrays that change from step to step.

    Random keys are derived from (seed, step) and never stored.

    Attributes:
      step: int32 (), steps done so far.
      params: nested dict of float32 arrays, the parameters.
      batch_stats: nested dict of float32 arrays, BatchNorm's running statistics.
      opt_state: the optimizer's state.
      ema: the moving average of `params`; {} for none.
      hyperparams: settings as arrays, so that runs with other values share a compiled program:
        float32 () `learning_rate` and `label_smoothing`, int32 () `seed` of dropout and
        augmentation.
      rate_scale: float32 (), factor of the learning rate; each skipped step halves it.
      sums: the sums of the epoch so far, see `zero_sums`.
    """

    step: Array
    params: dict[str, Any]
    batch_stats: dict[str, Any]
    opt_state: optax.OptState
    ema: dict[str, Any]
    hyperparams: dict[str, Any]
    rate_scale: Array
    sums: dict[str, Any]

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The parameters for evaluation: the moving average, or `params` if there is none."""
        return self.ema or self.params


def zero_sums() -> dict[str, np.ndarray]:
    """Return the sums of an epoch before its first step, all of shape ().

    Returns:
      float32 `loss`, `correct` and `count`, summed over examples; float32 `gradient_norm`, the
      global norm at the last finite step; int32 `bad_steps`, the number of steps whose loss or
      gradient was not finite; int32 `bad_step`, the first of them, or -1.
    """
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
    """Return the state before the first step.

    Args:
      params: the initial parameters.
      batch_stats: the initial batch statistics.
      optimizer: makes `opt_state`.
      hyperparams: from `make_hyperparams`.
      ema: whether to keep a moving average of the parameters.
    """
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
    """Return the restored state with the hyperparameters of the current config.

    Args:
      configured: a state made from the current config.
      restored: a state from a checkpoint, possibly of an earlier config.
    """
    opt_state = restored.opt_state._replace(hyperparams=configured.opt_state.hyperparams)
    return restored.replace(hyperparams=configured.hyperparams, opt_state=opt_state)

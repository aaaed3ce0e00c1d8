"""The update of the training state by a step's gradients."""

import jax
import jax.numpy as jnp
import optax

from jaxcnn.training.recipe import Recipe
from jaxcnn.training.state import TrainState


def update(
    recipe: Recipe, state: TrainState, gradients: dict, batch_stats: dict, epoch: dict
) -> TrainState:
    """Return the state after a step of the optimizer.

    Args:
      recipe: the recipe of the steps.
      state: before the step.
      gradients, batch_stats: nested dicts of float32 arrays, with the shapes of `state.params` and
        `state.batch_stats`.
      epoch: see `make_train_step`.
    """
    opt_state = state.opt_state
    factor = recipe.schedule(state.step + epoch["schedule_shift"]) * state.rate_scale
    rate = state.hyperparams["learning_rate"] * (factor * epoch["rate_factor"])
    hyperparams = opt_state.hyperparams | {"learning_rate": rate}
    opt_state = opt_state._replace(hyperparams=hyperparams)
    updates, opt_state = recipe.optimizer.update(gradients, opt_state, state.params)
    tuning, ema = recipe.fine_tuning, state.ema
    if tuning:
        updates = tuning.scale(updates)
    params = optax.apply_updates(state.params, updates)
    if tuning:
        params = tuning.keep_frozen(state.params, params, epoch["number"])
    if recipe.ema_decay:
        # a small decay at first, so that the initial weights are soon forgotten
        decay = jnp.minimum(recipe.ema_decay, (1.0 + state.step) / (10.0 + state.step))
        ema = optax.incremental_update(params, ema, 1.0 - decay)
        if tuning:
            ema = tuning.keep_frozen(state.ema, ema, epoch["number"])
    return state.replace(
        step=state.step + 1,
        params=params,
        batch_stats=batch_stats,
        opt_state=opt_state,
        ema=ema,
    )


def skip_unless(is_good: jax.Array, updated: TrainState, state: TrainState) -> TrainState:
    """Return the updated state if the step is good, else the old state at half the rate."""
    skipped = state.replace(step=updated.step, rate_scale=state.rate_scale / 2)
    return jax.tree.map(lambda new, old: jnp.where(is_good, new, old), updated, skipped)

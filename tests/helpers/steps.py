"""Training steps of a run, without the loop around them."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.run import make_run


def train(config, dataset, num_steps=6):
    """The state after a few steps, the short last batch of the first epoch among them."""
    run = make_run(config, dataset)
    state = run.state
    if config.precision == "float64":
        state = jax.tree.map(lambda x: x.astype(wide_type(x.dtype)), state)
    for step in range(num_steps):
        state, _ = step_of_epoch(run, state, step // run.plan.steps_per_epoch)
        jax.block_until_ready(state)
    return run, state


def step_of_epoch(run, state, epoch):
    numbers = run.epoch_numbers(run.plan.position(epoch * run.plan.steps_per_epoch))
    return run.train_step(state, run.data["train"], numbers, run.train_order(epoch))


def wide_type(dtype):
    return jnp.float64 if dtype == jnp.float32 else dtype


def largest_difference(a, b):
    differences = jax.tree.map(lambda x, y: np.abs(np.asarray(x) - np.asarray(y)).max(), a, b)
    return max(jax.tree.leaves(differences))


def demand(config, model):
    """Give a config BatchNorm, dropout, and augmentations that draw per example and mix a batch."""
    config.model = model
    config.optimizer.name = "momentum"  # adam turns rounding of tiny gradients into signs
    config.optimizer.learning_rate = 0.01
    config.augment.update(crop=2, flip="random", mixup=0.2)
    config.loss.label_smoothing = 0.1

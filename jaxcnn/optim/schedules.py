"""Learning-rate schedules: functions from a step to the factor of the configured rate."""

import collections
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {}


def _schedule(name: str):
    def register(make):
        SCHEDULES[name] = make
        return make

    return register


BATCH_SCALINGS: dict[str, Callable[[float], float]] = {
    "none": lambda times: 1.0,
    "linear": lambda times: times,
    "sqrt": lambda times: times**0.5,
}


def batch_factor(config: Any, global_batch_size: int) -> float:
    """By what the learning rate of batches of that size is larger than that of batches of
    `reference_batch_size`, as `scale_with_batch` of `config` (the `optimizer` part) says.

    References: Goyal et al., Accurate, Large Minibatch SGD (2017), for "linear", with a warm-up;
    Krizhevsky, One weird trick for parallelizing convolutional neural networks (2014), "sqrt".
    """
    return BATCH_SCALINGS[config.scale_with_batch](global_batch_size / config.reference_batch_size)


def scaled_rate(config: Any, global_batch_size: int) -> float:
    """The learning rate that `config` gives batches of that size."""
    return config.learning_rate * batch_factor(config, global_batch_size)


def make_schedule(
    config: Any, *, learning_rate: float, steps_per_epoch: int, num_epochs: int
) -> optax.Schedule:
    """The schedule that `config` (the `schedule` part of a run's config) names.

    Returns a function from the step (int32 ()) to a factor (float32 ()) of the learning rate:
    1.0 is the configured rate. During `warmup_epochs` the factor rises linearly to it.
    """
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    body = SCHEDULES[config.name](
        config,
        learning_rate=learning_rate,
        steps_per_epoch=steps_per_epoch,
        num_steps=num_epochs * steps_per_epoch,
        warmup_steps=warmup_steps,
    )
    if not warmup_steps:
        return body
    return lambda step: jnp.minimum((step + 1) / warmup_steps, 1.0) * body(step)


@_schedule("constant")
def _constant(config, **_):
    return optax.constant_schedule(1.0)


@_schedule("inverse_time")
def _inverse_time(config, *, steps_per_epoch, **_):
    """1 / (1 + decay_rate * step / decay_steps), as tf.keras's InverseTimeDecay; with
    `staircase` the quotient is rounded down."""
    decay_steps = config.decay_steps or config.decay_epochs * steps_per_epoch
    # compiled, a division by a constant is a product with its reciprocal, which may fall just
    # short of a whole number: half a step more is never one too many
    half_step = 0.5 if float(decay_steps).is_integer() else 0.0

    def schedule(step):
        if config.staircase:
            quotient = jnp.floor((step + half_step) / decay_steps)
        else:
            quotient = step / decay_steps
        return 1.0 / (1.0 + config.decay_rate * quotient)

    return schedule


@_schedule("inverse_time_rounded")
def _inverse_time_rounded(config, *, learning_rate, steps_per_epoch, num_steps, **_):
    """round(learning_rate / (1 + decay_rate * epoch), 10), set at the start of each epoch.

    The MNIST publication's own formula (001_e9c733e47930a093.txt), in double precision.
    """
    epochs = range(num_steps // steps_per_epoch)
    rates = [round(learning_rate / (1 + config.decay_rate * epoch), 10) for epoch in epochs]
    factors = np.array(rates) / (learning_rate or 1.0)
    table = factors.astype(np.float32)
    return lambda step: jnp.asarray(table)[jnp.minimum(step // steps_per_epoch, len(table) - 1)]


@_schedule("step")
def _step(config, *, steps_per_epoch, **_):
    """Multiplied by `factor` at each of the epochs in `boundaries`."""
    boundaries = collections.defaultdict(lambda: 1.0)
    for epoch in config.boundaries:  # two may fall on one step
        boundaries[round(epoch * steps_per_epoch)] *= config.factor
    return optax.piecewise_constant_schedule(1.0, boundaries)


@_schedule("cosine")
def _cosine(config, *, num_steps, warmup_steps, **_):
    decay_steps = max(1, num_steps - warmup_steps)
    schedule = optax.cosine_decay_schedule(1.0, decay_steps, config.final_fraction)
    return lambda step: schedule(jnp.maximum(step - warmup_steps, 0))


@_schedule("linear")
def _linear(config, *, num_steps, warmup_steps, **_):
    return optax.linear_schedule(1.0, config.final_fraction, num_steps - warmup_steps, warmup_steps)


@_schedule("one_cycle")
def _one_cycle(config, *, num_steps, **_):
    """Up to the configured rate over 30 % of the steps, then down, along cosines."""
    return optax.cosine_onecycle_schedule(num_steps, peak_value=1.0)

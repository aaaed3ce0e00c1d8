"""A registry of learning-rate schedules: functions from a step to a factor of the rate."""

import collections
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.config.parts import Part, Registry

_Maker = Callable[..., optax.Schedule]
SCHEDULES: Registry[_Maker] = Registry(
    "schedule", ["config"], keywords=["num_steps", "steps_per_epoch"]
)


def schedule(name: str) -> Callable:
    """Register a function `(config, *, num_steps, steps_per_epoch) -> (step -> factor)`.

    Name it with `config.schedule.name`. `config` is the run's `config.schedule`, and `num_steps`
    the steps of the whole run. The function that it returns maps the step, int32 () from 0 on, to
    a factor of `config.optimizer.learning_rate`. It runs in the compiled training step.
    `warmup_epochs` is applied after it.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """

    def make_entry(function: Callable, part: Part | None) -> _Maker:
        def entry(config: Any, *, num_steps: int, steps_per_epoch: int, **_: Any) -> optax.Schedule:
            factor = function(config, num_steps=num_steps, steps_per_epoch=steps_per_epoch)
            return _checked(factor, part) if part else factor

        return entry

    return SCHEDULES.decorator(name, make_entry)


def _checked(factor: Any, part: Part) -> optax.Schedule:
    """Return a user's schedule; a mistake in it is an error that names the part."""
    if not callable(factor):
        raise part.fault(f"must return a function of the step, not {factor!r:.80}")
    guarded = part.guard(factor)

    return lambda step: part.floats(guarded(step), (), integers=True).astype(jnp.float32)


def _schedule(name: str):
    def register(make):
        SCHEDULES[name] = make
        return make

    return register


BATCH_SCALINGS: dict[str, Callable[[float], float]] = {
    "none": lambda ratio: 1.0,
    "linear": lambda ratio: ratio,
    "sqrt": lambda ratio: ratio**0.5,
}


def batch_factor(config: Any, global_batch_size: int) -> float:
    """Return the factor of the learning rate for a batch size, 1.0 at `reference_batch_size`.

    Args:
      config: the `optimizer` part of a run's config; `scale_with_batch` names the rule.
      global_batch_size: examples in a batch.

    References:
      "linear", with a warm-up: Goyal et al. 2017, Accurate, Large Minibatch SGD,
      https://arxiv.org/abs/1706.02677. "sqrt": Krizhevsky 2014, One weird trick for parallelizing
      convolutional neural networks, https://arxiv.org/abs/1404.5997.
    """
    return BATCH_SCALINGS[config.scale_with_batch](global_batch_size / config.reference_batch_size)


def scaled_rate(config: Any, global_batch_size: int) -> float:
    """Return the configured learning rate, scaled to a batch size; see `batch_factor`."""
    return config.learning_rate * batch_factor(config, global_batch_size)


def make_schedule(
    config: Any, *, learning_rate: float, steps_per_epoch: int, num_epochs: int
) -> optax.Schedule:
    """Return the schedule that a config names.

    During `warmup_epochs` the factor is multiplied by a ramp that rises linearly to 1.0.

    Args:
      config: the `schedule` part of a run's config, checked.
      learning_rate: the rate that the schedule multiplies.
      steps_per_epoch: training steps of an epoch.
      num_epochs: epochs of the whole run.

    Returns:
      A function from the step, int32 (), to a factor of the learning rate, float32 ().
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
    """1 / (1 + decay_rate * step / decay_steps), like tf.keras's InverseTimeDecay.

    `staircase` rounds the quotient down.
    """
    decay_steps = config.decay_steps or config.decay_epochs * steps_per_epoch
    # XLA compiles a division by a constant as a product with its reciprocal. The product can fall
    # just below a whole number. Half a step more corrects that, and never reaches the next number.
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

    The rates are computed in double precision, as in the publication.

    Source: [MNIST], see docs/publications.md.
    """
    epochs = range(num_steps // steps_per_epoch)
    rates = [round(learning_rate / (1 + config.decay_rate * epoch), 10) for epoch in epochs]
    factors = np.array(rates) / (learning_rate or 1.0)
    table = factors.astype(np.float32)
    return lambda step: jnp.asarray(table)[jnp.minimum(step // steps_per_epoch, len(table) - 1)]


@_schedule("step")
def _step(config, *, steps_per_epoch, **_):
    """1.0, multiplied by `factor` at each epoch in `boundaries`."""
    step_factors = collections.defaultdict(lambda: 1.0)
    for epoch in config.boundaries:  # two epochs may round to one step
        step_factors[round(epoch * steps_per_epoch)] *= config.factor
    return optax.piecewise_constant_schedule(1.0, step_factors)


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
    """Rise to 1.0 over the first 30 % of the steps, then fall, both along cosines."""
    return optax.cosine_onecycle_schedule(num_steps, peak_value=1.0)

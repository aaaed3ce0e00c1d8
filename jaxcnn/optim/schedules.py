"""A registry of learning-rate schedules: functions from a step to a factor of the rate."""

import collections
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.config.part import Part
from jaxcnn.config.parts import Registry

Step = jax.Array | int
_Maker = Callable[..., optax.Schedule]
SCHEDULES: Registry[_Maker] = Registry(
    "schedule", ["config"], keywords=["num_steps", "steps_per_epoch"]
)


def schedule(name: str) -> Callable:
    """Register a function `(config, *, num_steps, steps_per_epoch) -> (step -> factor)`.

    `config` is the run's `config.schedule`, and `num_steps` the number of steps of the whole run.
    The returned function maps the step, int32 () from 0 on, to a factor of
    `config.optimizer.learning_rate`. It runs in the compiled training step. Warm-up
    (`warmup_epochs`) is applied after it.

    Args:
      name: the name in `config.schedule.name`.

    Returns:
      The decorator.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """

    def make_entry(function: Callable, part: Part) -> _Maker:
        def entry(config: Any, *, num_steps: int, steps_per_epoch: int, **_: Any) -> optax.Schedule:
            factor = function(config, num_steps=num_steps, steps_per_epoch=steps_per_epoch)
            return _checked(factor, part)

        return entry

    return SCHEDULES.decorator(name, make_entry)


def _checked(factor: Any, part: Part) -> optax.Schedule:
    """Return a user's schedule; a mistake in it is an error that names the part."""
    if not callable(factor):
        raise part.fault(f"must return a function of the step, not {factor!r:.80}")
    guarded = part.guard(factor)

    return lambda step: part.check_array(guarded(step), (), integers=True).astype(jnp.float32)


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
    config: Any, *, learning_rate: float, steps_per_epoch: int, num_steps: int
) -> optax.Schedule:
    """Return the schedule that a config names.

    During `warmup_epochs` the factor is multiplied by a ramp that rises linearly to 1.0.

    Args:
      config: the `schedule` part of a run's config, checked.
      learning_rate: the rate that the schedule multiplies.
      steps_per_epoch: training steps of an epoch.
      num_steps: training steps of the whole run.

    Returns:
      A function from the step, int32 (), to a factor of the learning rate, float32 ().
    """
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    body = SCHEDULES[config.name](
        config,
        learning_rate=learning_rate,
        steps_per_epoch=steps_per_epoch,
        num_steps=num_steps,
        warmup_steps=warmup_steps,
    )
    if not warmup_steps:
        return body
    return lambda step: jnp.minimum((step + 1) / warmup_steps, 1.0) * body(step)


@SCHEDULES.built_in("constant")
def _constant(config, **_):
    return optax.constant_schedule(1.0)


@SCHEDULES.built_in("plateau")
def _plateau(config, **_):
    """1.0; the training loop multiplies the rate by `optim.plateau.Plateau.factor`."""
    return optax.constant_schedule(1.0)


@SCHEDULES.built_in("inverse_time")
def _inverse_time(config, *, steps_per_epoch, **_):
    """1 / (1 + decay_rate * step / decay_steps), like tf.keras's InverseTimeDecay.

    `staircase` rounds the quotient down.
    """
    decays = _decays(config, steps_per_epoch)
    return lambda step: 1.0 / (1.0 + config.decay_rate * decays(step))


@SCHEDULES.built_in("exponential")
def _exponential(config, *, steps_per_epoch, **_):
    """decay_rate ** (step / decay_steps), like tf.keras's ExponentialDecay.

    `staircase` rounds the quotient down.
    """
    decays = _decays(config, steps_per_epoch)
    return lambda step: jnp.power(config.decay_rate, decays(step))


def _decays(config: Any, steps_per_epoch: int) -> Callable[[Step], jax.Array]:
    """Return the function of a step that counts decays; with `staircase` only whole ones."""
    decay_steps = config.decay_steps or config.decay_epochs * steps_per_epoch
    # XLA compiles a division by a constant as a product with its reciprocal. The product can fall
    # just below a whole number. Half a step more corrects that, and never reaches the next number.
    half_step = 0.5 if math.isclose(decay_steps, round(decay_steps), rel_tol=1e-12) else 0.0
    if config.staircase:
        return lambda step: jnp.floor((step + half_step) / decay_steps)
    return lambda step: step / decay_steps


@SCHEDULES.built_in("inverse_time_rounded")
def _inverse_time_rounded(config, *, learning_rate, steps_per_epoch, num_steps, **_):
    """round(learning_rate / (1 + decay_rate * epoch), 10), set at the start of each epoch.

    The rates are computed in double precision, as in the publication.

    Source: [mnist], see docs/publications.md.
    """
    epochs = range(-(-num_steps // steps_per_epoch))  # the last may be a part
    rates = [round(learning_rate / (1 + config.decay_rate * epoch), 10) for epoch in epochs]
    factors = np.array(rates) / (learning_rate or 1.0)
    table = factors.astype(np.float32)
    return lambda step: jnp.asarray(table)[jnp.minimum(step // steps_per_epoch, len(table) - 1)]


@SCHEDULES.built_in("step")
def _step(config, *, steps_per_epoch, **_):
    """1.0, multiplied by `factor` at each epoch in `boundaries`."""
    step_factors = collections.defaultdict(lambda: 1.0)
    for epoch in config.boundaries:  # two epochs may round to one step
        step_factors[round(epoch * steps_per_epoch)] *= config.factor
    return optax.piecewise_constant_schedule(1.0, step_factors)


@SCHEDULES.built_in("cosine")
def _cosine(config, *, num_steps, warmup_steps, **_):
    decay_steps = max(1, num_steps - warmup_steps)
    schedule = optax.cosine_decay_schedule(1.0, decay_steps, config.final_fraction)
    return lambda step: schedule(jnp.maximum(step - warmup_steps, 0))


@SCHEDULES.built_in("linear")
def _linear(config, *, num_steps, warmup_steps, **_):
    return optax.linear_schedule(1.0, config.final_fraction, num_steps - warmup_steps, warmup_steps)


@SCHEDULES.built_in("polynomial")
def _polynomial(config, *, num_steps, warmup_steps, **_):
    """From 1.0 to `final_fraction` along (1 - progress) ** power, like tf.keras's PolynomialDecay.

    With power 1 it equals linear.
    """
    decay_steps = max(1, num_steps - warmup_steps)
    return optax.polynomial_schedule(
        1.0, config.final_fraction, config.power, decay_steps, warmup_steps
    )


@SCHEDULES.built_in("cosine_restarts")
def _cosine_restarts(config, *, steps_per_epoch, num_steps, warmup_steps, **_):
    """Cosines from 1.0 to `final_fraction`, each `restart_growth` times as long as the last.

    References: Loshchilov and Hutter 2016, SGDR, https://arxiv.org/abs/1608.03983;
    `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
    """
    epochs, starts = config.restart_epochs, [float(warmup_steps)]
    while starts[-1] < num_steps:
        starts.append(starts[-1] + max(1.0, epochs * steps_per_epoch))
        epochs *= config.restart_growth
    boundaries = np.array(starts, np.float32)
    low = config.final_fraction

    def schedule(step):
        period = jnp.sum(step >= boundaries[1:-1])
        start, end = jnp.asarray(boundaries)[period], jnp.asarray(boundaries)[period + 1]
        progress = jnp.maximum((step - start) / (end - start), 0.0)
        return low + (1 - low) * _half_cosine(progress)

    return schedule


def _half_cosine(progress: jax.Array) -> jax.Array:
    """Return the fall from 1.0 to 0.0 along a cosine, for a progress from 0.0 to 1.0."""
    return (1 + jnp.cos(jnp.pi * progress)) / 2


@SCHEDULES.built_in("one_cycle")
def _one_cycle(config, *, num_steps, **_):
    """Rise from 1/25 to 1.0 over the first 30 % of the steps, then fall to 1/250,000.

    Both follow cosines. A run of up to 3 steps only falls. These are Optax's rates. Peak and end
    come a step later than PyTorch's, so rates differ from those of `one_cycle_torch`: by up to
    1.5 % of the peak in a run of 200 steps, by 0.03 % in one of 9,380.
    """
    return optax.cosine_onecycle_schedule(num_steps, peak_value=1.0)


@SCHEDULES.built_in("one_cycle_torch")
def _one_cycle_torch(config, *, num_steps, **_):
    """`torch.optim.lr_scheduler.OneCycleLR` with its default factors, for the rate alone.

    It rises from 1/25 to 1.0 over the first 30 % of the steps, and falls to 1/250,000 at the last
    step, both along cosines. PyTorch's also varies the momentum, against the rate.
    """
    first, last = 1 / 25, 1 / 25e4
    peak_step, last_step = 0.3 * num_steps - 1, num_steps - 1

    def schedule(step):
        rise = first + (1 - first) * (1 - _half_cosine(step / peak_step))
        fall = last + (1 - last) * _half_cosine((step - peak_step) / (last_step - peak_step))
        return jnp.where(step <= peak_step, rise, fall)

    return schedule

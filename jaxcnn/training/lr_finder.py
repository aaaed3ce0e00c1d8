"""The learning-rate range test: one short run in which the rate rises geometrically.

References:
  Smith 2015, Cyclical Learning Rates for Training Neural Networks, section 3.3.
    https://arxiv.org/abs/1506.01186
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator

import jax
import numpy as np
from ml_collections import ConfigDict
from scipy.ndimage import gaussian_filter1d

from jaxcnn.errors import UserError
from jaxcnn.optim.schedules import batch_factor
from jaxcnn.training.parallel import on_every_device
from jaxcnn.training.run import Run
from jaxcnn.training.state import zero_sums
from jaxcnn.workdir.position import Position

DIVERGED = 4.0  # a range test ends where the smoothed loss exceeds this multiple of its minimum
_DEVIATION = 0.15  # standard deviation of the smoothing Gaussian, in decades of the rate


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """The rates and losses of a range test.

    Attributes:
      rates: float64 (steps,), learning rates that rise geometrically.
      losses: float64 (steps,), the mean loss of each step's batch, before the update.
      has_diverged: whether the range test ended early because the loss grew.
    """

    rates: np.ndarray
    losses: np.ndarray
    has_diverged: bool

    @property
    def smoothed(self) -> np.ndarray:
        """The smoothed losses, float64 (steps,); the symmetric filter shifts no minimum."""
        return smooth(self.losses, self.rates)

    @property
    def lowest(self) -> float:
        """The rate with the lowest smoothed loss."""
        return float(self.rates[self.smoothed.argmin()])

    @property
    def is_still_falling(self) -> bool:
        """True if the lowest loss lies at the end, so that higher rates may be better."""
        return not self.has_diverged and self.lowest > self.rates[-1] / 2

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest; None if it never falls.

        The slope is taken over the logarithm of the rate, up to the rate of the lowest loss.
        """
        slopes = np.gradient(self.smoothed)[: self.smoothed.argmin() + 1]
        return float(self.rates[slopes.argmin()]) if slopes.min() < 0 else None


def smooth(losses: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the losses, smoothed by a Gaussian over the logarithm of the rates.

    Args:
      losses: float64 (steps,).
      rates: float64, at least two, rising geometrically.

    Returns:
      float64 (steps,).
    """
    decades_per_step = np.log10(rates[1] / rates[0])
    return gaussian_filter1d(losses, _DEVIATION / decades_per_step, mode="nearest")


def hold_rate(config: ConfigDict) -> ConfigDict:
    """Return a copy of the config in which the range test alone changes the learning rate.

    The schedule is constant, the run has no end, and each step is a call of its own. No bad step is
    skipped, because the loss has to show where the rate is too high.
    """
    config = copy.deepcopy(config)
    config.schedule.name, config.schedule.warmup_epochs = "constant", 0.0
    config.optimizer.skip_bad_steps, config.steps_per_dispatch = False, 1
    config.num_steps = 0
    return config


def range_test(
    run: Run,
    *,
    num_steps: int,
    lowest: float,
    highest: float,
    track: Callable[[np.ndarray], Iterable[float]] = iter,
) -> RangeTest:
    """Train a run from its first step, with a rate that rises from step to step.

    The test ends early if the loss is not finite, or if the smoothed loss exceeds four times its
    minimum.

    Args:
      run: made from a config of `hold_rate`; its state is consumed.
      num_steps: steps of the whole test, over as many epochs as needed.
      lowest, highest: the first and the last rate, in the unit of `optimizer.learning_rate`:
        `optimizer.scale_with_batch` applies to them.
      track: wraps an iteration over the rates, to show its progress.

    Raises:
      UserError: the loss of the first or second step is not finite.
    """
    rates = np.geomspace(lowest, highest, num_steps)
    losses: list[float] = []
    for loss in _losses(run, track(rates)):
        if not math.isfinite(loss):
            break
        losses.append(loss)
        smoothed = smooth(np.array(losses), rates)
        if smoothed[-1] > DIVERGED * smoothed.min():
            break
    if len(losses) < 2:
        raise UserError(
            f"the loss is not finite at learning rate {lowest:g}, the first of the range test; "
            "lower --min"
        )
    return RangeTest(rates[: len(losses)], np.array(losses), has_diverged=len(losses) < num_steps)


def _losses(run: Run, rates: Iterable[float]) -> Iterator[float]:
    """Train one step with each rate, and yield its loss."""
    state = run.state
    factor = batch_factor(run.plan.config.optimizer, run.plan.config.global_batch_size)
    for step, rate in enumerate(rates):
        position = Position(step, run.plan.steps_per_epoch)
        if position.row == 0:
            feed, numbers = run.train_feed(position), run.epoch_numbers(position)
        data, order, _ = next(feed)
        # zero sums, so that the loss is that of this step alone
        arrays = {"learning_rate": np.float32(rate * factor), "sums": zero_sums()}
        arrays = on_every_device(arrays, run.plan.mesh)
        hyperparams = state.hyperparams | {"learning_rate": arrays["learning_rate"]}
        state = state.replace(hyperparams=hyperparams, sums=arrays["sums"])
        state, sums = run.train_step(state, data, numbers, order)
        sums = jax.device_get(sums)
        yield float(sums["loss"]) / float(sums["count"])

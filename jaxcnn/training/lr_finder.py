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

DIVERGED = 4.0  # times the least loss
_DEVIATION = 0.15  # of the Gaussian that smooths the losses, in decades of the rate


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The losses of a sweep.

    Attributes:
      rates: float64 (steps,), the learning rates, rising geometrically.
      losses: float64 (steps,), each the mean over a batch, before the update with the rate.
      has_diverged: whether the sweep ended because the loss grew, and not with its last step.
    """

    rates: np.ndarray
    losses: np.ndarray
    has_diverged: bool

    @property
    def smoothed(self) -> np.ndarray:
        """float64 (steps,): the losses under a Gaussian, which shifts nothing to higher rates."""
        return smooth(self.losses, self.rates)

    @property
    def lowest(self) -> float:
        """The rate of the least smoothed loss."""
        return float(self.rates[self.smoothed.argmin()])

    @property
    def is_still_falling(self) -> bool:
        """Whether the least loss lies at the end, so that higher rates may have been better."""
        return not self.has_diverged and self.lowest > self.rates[-1] / 2

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest; None where it never falls.

        Fastest by the logarithm of the rate, below the rate of the least loss.
        """
        slopes = np.gradient(self.smoothed)[: self.smoothed.argmin() + 1]
        return float(self.rates[slopes.argmin()]) if slopes.min() < 0 else None


def smooth(losses: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The losses under a Gaussian over the logarithm of the rates, float64 (steps,)."""
    decades_per_step = np.log10(rates[1] / rates[0])
    return gaussian_filter1d(losses, _DEVIATION / decades_per_step, mode="nearest")


def hold_rate(config: ConfigDict) -> ConfigDict:
    """The config with a constant schedule, step by step: the sweep alone moves the learning rate,
    and shows where it is too high."""
    config = copy.deepcopy(config)
    config.schedule.name, config.schedule.warmup_epochs = "constant", 0.0
    config.optimizer.skip_bad_steps, config.steps_per_dispatch = False, 1
    return config


def sweep(
    run: Run,
    *,
    num_steps: int,
    lowest: float,
    highest: float,
    track: Callable[[np.ndarray], Iterable[float]] = iter,
) -> Sweep:
    """Trains a run from its first step, with a rate that rises from step to step.

    It ends early where the loss is not finite or, smoothed, exceeds four times its least.

    Args:
      run: of a config from `hold_rate`; its state is used up.
      num_steps: of the whole sweep, which takes as many epochs as it needs.
      lowest, highest: the first and the last rate, as the config names rates: the batch's size
        scales them where the config says so.
      track: shows the progress of an iteration over the rates.

    Raises:
      UserError: the loss is not finite from the start.
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
            f"the loss is not finite at learning rate {lowest:g}, where the sweep begins; "
            "lower --min"
        )
    return Sweep(rates[: len(losses)], np.array(losses), has_diverged=len(losses) < num_steps)


def _losses(run: Run, rates: Iterable[float]) -> Iterator[float]:
    """The loss of each step of a training run, step by step with its rate."""
    state = run.state
    factor = batch_factor(run.plan.config.optimizer, run.plan.config.global_batch_size)
    for step, rate in enumerate(rates):
        position = Position(step, run.plan.steps_per_epoch)
        if position.row == 0:
            feed, numbers = run.train_feed(position), run.epoch_numbers(position)
        data, order, _ = next(feed)
        fresh = {"learning_rate": np.float32(rate * factor), "sums": zero_sums()}
        fresh = on_every_device(fresh, run.plan.mesh)  # sums of this step alone
        hyperparams = state.hyperparams | {"learning_rate": fresh["learning_rate"]}
        state = state.replace(hyperparams=hyperparams, sums=fresh["sums"])
        state, sums = run.train_step(state, data, numbers, order)
        sums = jax.device_get(sums)
        yield float(sums["loss"]) / float(sums["count"])

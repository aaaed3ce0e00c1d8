"""The plateau schedule: a lower learning rate where the validation loss no longer falls."""

import dataclasses
import math
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.optim.schedules import scaled_rate


@dataclasses.dataclass(frozen=True)
class Plateau:
    """The state of a plateau schedule between two epochs.

    It is plain numbers that follow from the validation losses, so it is the same in all processes
    of a group. Each checkpoint holds it as JSON, which keeps every bit.

    Attributes:
      lowest_loss: the lowest validation loss; a loss counts as lower if it is lower by more than
        `schedule.min_delta`.
      epochs_without_gain: epochs since `lowest_loss`, without those of a cooldown.
      cooldown_left: epochs of the cooldown that are left.
      factor: the factor of the learning rate.
    """

    lowest_loss: float = math.inf
    epochs_without_gain: int = 0
    cooldown_left: int = 0
    factor: float = 1.0

    def after_epoch(self, loss: float, config: Any, learning_rate: float) -> "Plateau":
        """Return the state after an epoch, by the rule of Keras's ReduceLROnPlateau.

        The factor is multiplied by `factor` after `patience` epochs in a row without a lower loss.
        Then it counts no epoch until the last of `cooldown` epochs. No reduction takes the rate
        below `min_rate`; a phase with a lower `learning_rate` may begin below it.

        Args:
          loss: the validation loss of the epoch.
          config: the `schedule` part of a run's config, checked.
          learning_rate: the rate that the schedule multiplies.

        References: `keras.callbacks.ReduceLROnPlateau`, with monitor="val_loss".
        """
        cooldown = max(0, self.cooldown_left - 1)
        if loss < self.lowest_loss - config.min_delta:
            return Plateau(loss, 0, cooldown, self.factor)
        waited = (0 if self.cooldown_left else self.epochs_without_gain) + (cooldown == 0)
        lowest = config.min_rate / learning_rate if learning_rate else 1.0
        if waited < config.patience or self.factor <= lowest:
            return Plateau(self.lowest_loss, waited, cooldown, self.factor)
        factor = max(self.factor * config.factor, lowest)
        return Plateau(self.lowest_loss, 0, config.cooldown, factor)


def next_plateau(plateau: dict[str, Any], loss: float, config: ConfigDict) -> dict[str, Any]:
    """Return the fields of the plateau after an epoch; {} for a run with another schedule.

    Args:
      plateau: the fields before the epoch; {} at the start.
      loss: the validation loss of the epoch.
      config: the checked config.
    """
    if config.schedule.name != "plateau":
        return {}
    rate = scaled_rate(config.optimizer, config.global_batch_size)
    return dataclasses.asdict(Plateau(**plateau).after_epoch(loss, config.schedule, rate))

"""Stopping a run: after its epochs, by early stopping, by its time, or by a signal."""

import dataclasses

from ml_collections import ConfigDict

from jaxcnn.process.signals import StopSignal
from jaxcnn.training.parallel import Agreement
from jaxcnn.training.timing import Clock, RunTime
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress

REFRESH_SECONDS = 0.5  # how often the host reads the sums for the progress bar


@dataclasses.dataclass(frozen=True)
class Decision:
    """What all processes of a group do before the next step.

    Attributes:
      stop: save and exit, as a signal asked.
      end: `max_minutes` are over.
      save: `checkpoint.every_minutes` have passed.
      display: the progress bar is due.
    """

    stop: bool
    end: bool
    save: bool
    display: bool


class Stopping:
    """Decides, with the whole group, when a run ends: each process has a clock of its own."""

    def __init__(self, config: ConfigDict, agree: Agreement, time: RunTime):
        self._config, self._agree, self._time = config, agree, time
        self._is_time_over = False

    def decide(self, signal: StopSignal, saved_at: float, clock: Clock) -> Decision:
        """Return what the group does next.

        Args:
          signal: whether the user asked to stop.
          saved_at: the run's time at its last checkpoint, seconds.
          clock: of the epoch's steps.
        """
        return Decision(
            *self._agree(
                signal.requested,
                self._time.exceeds(self._config.max_minutes),
                self._time.exceeds(self._config.checkpoint.every_minutes, saved_at),
                clock.is_time(REFRESH_SECONDS),
            )
        )

    def is_requested(self, signal: StopSignal) -> bool:
        """Return whether any process of the group was asked to stop."""
        return any(self._agree.at_once(signal.requested))

    def end_by_time(self) -> None:
        """End the run here, as its time is over."""
        self._is_time_over = True

    def check_time(self, step: int) -> None:
        """End the run, if it has done a step, where its time is over in any process."""
        if self._config.max_minutes and step:
            is_over = self._time.exceeds(self._config.max_minutes)
            self._is_time_over = any(self._agree.at_once(is_over))

    def reason(self, position: Position, progress: Progress) -> str:
        """Return why no step is left: "epochs", "early_stopping", "max_minutes"; "" if one is."""
        if position.epoch >= self._config.num_epochs:
            return "epochs"
        if 0 < self._config.early_stopping.patience <= progress.epochs_without_gain:
            return "early_stopping"
        return "max_minutes" if self._is_time_over else ""

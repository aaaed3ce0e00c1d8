"""Stopping a run: after its epochs or steps, early, by its time, by a hook, or by a signal."""

import dataclasses
from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from jaxcnn.config.phases import phases_of
from jaxcnn.errors import StopTraining
from jaxcnn.files.paths import staying_here
from jaxcnn.process import group
from jaxcnn.process.signals import StopSignal
from jaxcnn.training.parallel import Agreement
from jaxcnn.training.timing import Clock, RunTime
from jaxcnn.workdir.phases import end_of_phase
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress
from jaxcnn.workdir.schemas import Row

Hook = Callable[[Row], object]  # gets the row of each epoch, see `workdir.epochs.epoch_row`
REFRESH_SECONDS = 0.5  # how often the host reads the sums for the progress bar


@dataclasses.dataclass(frozen=True)
class Decision:
    """A group's decision before the next step; the same in all its processes.

    Attributes:
      stop: a signal asks to save and exit.
      end: `max_minutes` have passed.
      save: `checkpoint.every_minutes` have passed since the last save.
      display: the progress bar is due for an update.
    """

    stop: bool
    end: bool
    save: bool
    display: bool


class Stopping:
    """The decision when a run ends, taken by the whole group: clocks of its processes differ.

    Args:
      config: the checked config.
      agree: combines the wishes of the group's processes.
      time: the time of the run.
    """

    def __init__(self, config: ConfigDict, agree: Agreement, time: RunTime):
        self._config, self._agree, self._time = config, agree, time
        self._is_time_over = False

    def decide(self, signal: StopSignal, saved_at: float, clock: Clock) -> Decision:
        """Return what the group does before the next step.

        Args:
          signal: knows whether the user asked to stop.
          saved_at: the run's time at its last save, in seconds.
          clock: times the epoch's steps.
        """
        return Decision(
            *self._agree(
                signal.requested,
                self._time.exceeds(self._config.max_minutes),
                self._time.exceeds(self._config.checkpoint.every_minutes, saved_at),
                clock.is_display_due(REFRESH_SECONDS),
            )
        )

    def is_requested(self, signal: StopSignal) -> bool:
        """Return whether any process of the group was asked to stop."""
        return any(self._agree.at_once(signal.requested))

    def call_hooks(self, hooks: Sequence[Hook], row: Row, progress: Progress) -> None:
        """Call the user's hooks with an epoch's row, in process 0; one of them may end the run.

        All hooks get the row, also after one that ends the run or fails.

        Raises:
          Exception: that of the first hook that fails.
        """
        reasons, errors = [], []
        for hook in hooks if group.is_main() else ():
            try:
                with staying_here():
                    hook(dict(row))
            except StopTraining as stop:
                reasons.append(str(stop))
            except Exception as error:
                errors.append(error)
        if any(self._agree.at_once(bool(reasons))):
            progress.hook_epochs = self._config.num_epochs
            progress.hook_reason = "; ".join(filter(None, reasons))
        if errors:
            raise errors[0]

    def end_by_time(self) -> None:
        """End the run here, because its time is over."""
        self._is_time_over = True

    def check_time(self, step: int) -> None:
        """End the run if its time is over in any process, and it has done a step."""
        if self._config.max_minutes and step:
            is_over = self._time.exceeds(self._config.max_minutes)
            self._is_time_over = any(self._agree.at_once(is_over))

    def reason(self, position: Position, progress: Progress) -> str:
        """Return why the run has ended; "" if it has not.

        The reasons are "epochs", "steps", "early_stopping", "max_minutes" and "hook".
        """
        end, begun = "", progress.phases
        if len(begun) == len(phases_of(self._config)):
            without_gain = progress.epochs_without_gain
            end = end_of_phase(self._config, begun, position.epoch, without_gain)
        if end != "epochs" and 0 < self._config.num_steps <= position.step:
            return "steps"
        if end:
            return end
        if self._is_time_over:
            return "max_minutes"
        return "hook" if self._config.num_epochs <= progress.hook_epochs else ""

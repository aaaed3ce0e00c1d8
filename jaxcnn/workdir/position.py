"""The position in a training, and how its step counters relate."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in a training, between two steps.

    `step` is the only independent counter; the others follow from it:

        epoch       = anchor_epoch + (step - anchor_step) // steps_per_epoch
        first_step  = anchor_step + (epoch - anchor_epoch) * steps_per_epoch
        row         = step - first_step

    The anchor is (0, 0) until the batch size changes. A change within an epoch keeps the place
    among the epoch's examples. The epoch then has a different number of steps, so the number of its
    first step changes. Later epochs are counted from there.

    Attributes:
      step: finished training steps.
      steps_per_epoch: steps of an epoch with the batch size since the anchor.
      anchor_epoch: the epoch (0-based) in which the batch size last changed.
      anchor_step: the number that the first step of that epoch would have had; may be negative.
    """

    step: int
    steps_per_epoch: int
    anchor_epoch: int = 0
    anchor_step: int = 0

    @property
    def epoch(self) -> int:
        """Epoch (0-based) of the next step; also the number of finished epochs."""
        return self.anchor_epoch + (self.step - self.anchor_step) // self.steps_per_epoch

    @property
    def first_step(self) -> int:
        """Number of the epoch's first step."""
        return self.anchor_step + (self.epoch - self.anchor_epoch) * self.steps_per_epoch

    @property
    def row(self) -> int:
        """Finished steps of the epoch; also the row of its order that the next step reads."""
        return self.step - self.first_step

    @property
    def epochs(self) -> float:
        """Finished epochs, including the finished fraction of the current one."""
        return self.epoch + self.row / self.steps_per_epoch

    @property
    def schedule_shift(self) -> int:
        """Number to add to `step` for the schedule, which counts with the current batch size."""
        return self.epoch * self.steps_per_epoch - self.first_step

    def after(self, num_steps: int) -> "Position":
        """Return the position `num_steps` later."""
        return dataclasses.replace(self, step=self.step + num_steps)

    def with_batch_size(
        self, before: int, now: int, steps_per_epoch: int
    ) -> tuple["Position", int]:
        """Return the position after a change of the batch size, and how many examples repeat.

        The epoch continues at the same example, or at the nearest earlier one where a new batch
        starts.

        Args:
          before: old examples per step.
          now: new examples per step.
          steps_per_epoch: new steps per epoch.
        """
        seen = self.row * before
        moved = Position(self.step, steps_per_epoch, self.epoch, self.step - seen // now)
        return moved, seen % now

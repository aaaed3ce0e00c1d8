"""The position in a training: how its step counters relate."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in a training, between two steps.

    `step` is the only counter that runs on its own; the others follow from it:

        epoch       = anchor_epoch + (step - anchor_step) // steps_per_epoch
        first_step  = anchor_step + (epoch - anchor_epoch) * steps_per_epoch
        row         = step - first_step

    The anchor is (0, 0) until the batch size changes. A change within an epoch keeps the place
    among its examples. The epoch then has another number of steps, so its first step gets another
    number, and later epochs are counted from there.

    Attributes:
      step: training steps done.
      steps_per_epoch: steps of an epoch, with the batch size from the anchor on.
      anchor_epoch: the epoch (0-based) in which the batch size last changed.
      anchor_step: the number that the first step of that epoch would have had; may be negative.
    """

    step: int
    steps_per_epoch: int
    anchor_epoch: int = 0
    anchor_step: int = 0

    @property
    def epoch(self) -> int:
        """The epoch (0-based) of the next step: the number of finished epochs."""
        return self.anchor_epoch + (self.step - self.anchor_step) // self.steps_per_epoch

    @property
    def first_step(self) -> int:
        """The number of the epoch's first step."""
        return self.anchor_step + (self.epoch - self.anchor_epoch) * self.steps_per_epoch

    @property
    def row(self) -> int:
        """Steps done of the epoch: the row of its order that the next step reads."""
        return self.step - self.first_step

    @property
    def epochs(self) -> float:
        """Epochs done, with the part of the one that is going on."""
        return self.epoch + self.row / self.steps_per_epoch

    @property
    def schedule_shift(self) -> int:
        """Steps to add to `step` for the schedule, which counts in today's steps per epoch."""
        return self.epoch * self.steps_per_epoch - self.first_step

    def after(self, num_steps: int) -> "Position":
        """Return the position after more steps."""
        return dataclasses.replace(self, step=self.step + num_steps)

    def with_batch_size(
        self, before: int, now: int, steps_per_epoch: int
    ) -> tuple["Position", int]:
        """Return the position with batches of another size, and how many examples repeat.

        The epoch goes on at the same example, or as little before it as the new batches allow.

        Args:
          before: examples per step so far.
          now: examples per step from here on.
          steps_per_epoch: steps of an epoch from here on.
        """
        seen = self.row * before
        moved = Position(self.step, steps_per_epoch, self.epoch, self.step - seen // now)
        return moved, seen % now

"""What a training hands to those who show it."""

import dataclasses
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jaxcnn.workdir.schemas import Row


class Display(Protocol):
    """What shows a training to the user, such as the console."""

    def warn(self, text: str) -> None:
        """Show a warning."""

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Return a context that reports a long wait, such as "compiling"."""

    def progress(self, epoch: int, num_epochs: int, steps: int) -> AbstractContextManager[Any]:
        """Return a context whose value is updated with the steps done of an epoch (from 1)."""

    def epoch_row(
        self, *, epoch: int, num_epochs: int, train: Row, validation: Row, is_best: bool
    ) -> None:
        """Show the figures of an epoch (from 1)."""


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A finished epoch, or the part of one in which the run ended.

    Attributes:
      number: from 1.
      train: the row of its training steps.
      validation: `loss` and `accuracy` of the validation split.
      is_best: whether its validation is the best so far.
    """

    number: int
    train: Row
    validation: Row
    is_best: bool

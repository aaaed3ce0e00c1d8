"""The interface through which a training shows its progress."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jaxcnn.workdir.schemas import Row


class Display(Protocol):
    """A display of a training, such as the console."""

    def warn(self, text: str) -> None:
        """Show a warning."""

    def waiting(self, task: str) -> AbstractContextManager[None]:
        """Return a context that reports a long task, such as "compiling"."""

    def progress(self, epoch: int, num_epochs: int, steps: int) -> AbstractContextManager[Any]:
        """Return the context of an epoch (1-based).

        Its value has `update(steps_done, **figures)`.
        """

    def epoch_row(
        self, *, epoch: int, num_epochs: int, train: Row, validation: Row, is_best: bool
    ) -> None:
        """Show the figures of an epoch (1-based)."""


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The figures of a finished epoch, or of the part of one in which the run ended.

    Attributes:
      number: the epoch, 1-based.
      train: the row of its training steps.
      validation: `loss` and `accuracy` (a fraction) of the validation split.
      is_best: whether its validation is the best so far.
    """

    number: int
    train: Row
    validation: Row
    is_best: bool


def display_hook(display: Display, num_epochs: int) -> Callable[[Epoch], None]:
    """Return a hook of the loop that shows each epoch of a run of `num_epochs` epochs."""

    def show(epoch: Epoch) -> None:
        display.epoch_row(
            epoch=epoch.number,
            num_epochs=num_epochs,
            train=epoch.train,
            validation=epoch.validation,
            is_best=epoch.is_best,
        )

    return show

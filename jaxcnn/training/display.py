"""The interface through which a training shows its progress."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from jaxcnn.workdir.schemas import Row


class Display(Protocol):
    """A display of a training, such as the console."""

    def warn(self, text: str) -> None:
        """Show a warning."""

    def note(self, text: str) -> None:
        """Show a line about the course of the training; nothing for an empty one."""

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

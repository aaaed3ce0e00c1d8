"""The first call of each compiled program, which compiles it."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from jaxcnn.training.display import Display


class FirstCalls:
    """The programs that were called already.

    Args:
      display: reports a long compilation.
    """

    def __init__(self, display: Display):
        self._display = display
        self._called: set[Callable] = set()

    def is_over(self, program: Callable) -> bool:
        """Return whether a program was called, and so is compiled."""
        return program in self._called

    def add(self, program: Callable) -> None:
        """Record the call of a program."""
        self._called.add(program)

    def waiting(self, program: Callable) -> AbstractContextManager[None]:
        """Return a context for a call, which reports a long compilation if it is the first."""
        if self.is_over(program):
            return contextlib.nullcontext()
        return self._display.waiting("compiling")

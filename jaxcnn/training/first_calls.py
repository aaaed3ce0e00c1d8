"""The first call of each compiled program, which compiles it."""

import contextlib
from collections.abc import Callable, Iterator

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

    @contextlib.contextmanager
    def waiting(self, program: Callable) -> Iterator[None]:
        """Report a long compilation if the block makes the program's first call."""
        if self.is_over(program):
            yield
            return
        with self._display.waiting("compiling"):
            yield
        self._called.add(program)

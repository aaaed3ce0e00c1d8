"""Progress of a preparation: a bar on a terminal, otherwise a plain line every few seconds."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 5.0
Item = TypeVar("Item")
_is_quiet: ContextVar[bool] = ContextVar("is_quiet", default=False)


@contextlib.contextmanager
def preparing(*, quiet: bool) -> Iterator[None]:
    """Let preparations in this thread print warnings alone if `quiet`, until the block ends."""
    token = _is_quiet.set(quiet)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def show(text: str) -> None:
    """Print lines about a preparation, unless it is quiet."""
    if not _is_quiet.get():
        print(text, flush=True)


class Reporter:
    """Shows messages and progress of a dataset's preparation."""

    def __init__(self, title: str, bar: Progress | None) -> None:
        self._title = title
        self._bar = bar

    def say(self, text: str) -> None:
        """Print a line."""
        line = f"{self._title}: {text}"
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            show(line)

    def warn(self, text: str) -> None:
        """Print a warning, also if the preparation is quiet."""
        if _is_quiet.get():
            print(f"warning: {self._title}: {text}", flush=True)
        else:
            self.say(f"warning: {text}")

    def track(self, items: Iterable[Item], total: int, text: str) -> Iterator[Item]:
        """Yield the items, and show their number."""
        if self._bar:
            yield from self._bar.track(items, total, description=f"{self._title}: {text}")
        else:
            yield from self._track_in_lines(items, total, text)

    def _track_in_lines(self, items: Iterable[Item], total: int, text: str) -> Iterator[Item]:
        last, count = time.monotonic(), 0
        for count, item in enumerate(items, start=1):
            yield item
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES and count < total:
                self.say(f"{text} {count:,} of {total:,}")
                last = time.monotonic()
        self.say(f"{text} {count:,} of {total:,}")


@contextlib.contextmanager
def reporter(title: str) -> Iterator[Reporter]:
    """Yield a reporter, which draws a bar if stdout is a terminal and the preparation not quiet."""
    if _is_quiet.get() or not sys.stdout.isatty():
        yield Reporter(title, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        yield Reporter(title, bar)

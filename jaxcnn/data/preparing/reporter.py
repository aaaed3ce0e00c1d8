"""Progress of a preparation: a bar on a terminal, otherwise a plain line every few seconds."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 5.0
Item = TypeVar("Item")


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
            print(line, flush=True)

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
    """Yield a reporter, which draws a bar if stdout is a terminal."""
    if not sys.stdout.isatty():
        yield Reporter(title, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        yield Reporter(title, bar)

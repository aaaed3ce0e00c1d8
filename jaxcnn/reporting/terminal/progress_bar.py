"""The progress of an epoch: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TypeVar

from rich import progress
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from jaxcnn.reporting.terminal.time_left import DurationNotice, TimeLeft
from jaxcnn.text import clock, integer, loss, percent

PLAIN_SECONDS = 10.0  # between two plain lines
_PLAIN_WIDTH = 80  # columns
_SHORTEST_BAR = 4
Item = TypeVar("Item")


def track(items: Iterable[Item], text: str) -> Iterable[Item]:
    """Yield the items, with a bar on standard error if that is a terminal."""
    console = RichConsole(stderr=True)
    is_quiet = not sys.stderr.isatty()
    return progress.track(items, text, console=console, transient=True, disable=is_quiet)


class _Progress:
    """The progress of one epoch; the base of the bar and of the lines.

    Args:
      name: such as "epoch 2/20".
      steps: the number of the epoch's steps.
      times: the estimate of the time left.
      notice: the lines on the duration of the run.
    """

    def __init__(
        self, console: RichConsole, name: str, steps: int, times: TimeLeft, notice: DurationNotice
    ):
        self._console, self._name, self._steps, self._times = console, name, steps, times
        self._notice = notice

    def _tell_duration(self, step: int) -> None:
        if line := self._notice.line(step):
            self._console.print(line, markup=False)
            self._console.file.flush()

    def _text(self, step: int, means: str, speed: float, width: int) -> str:
        """Return the means, the speed and the time left, as many of them as fit in `width`."""
        images = f"{integer(speed)} img/s"
        epoch, run = self._times.left(step)
        if epoch is None:
            return f"{means}  {images}"
        epoch_left, run_left = clock(epoch), f"run {clock(run)} left"
        texts = (
            f"{means}  {images}  {epoch_left}, {run_left}",
            f"{means}  {epoch_left}, {run_left}",
            f"{means}  {run_left}",
        )
        return next((text for text in texts if len(text) <= width), means)


def _means(mean_loss: float, mean_accuracy: float) -> str:
    return f"loss {loss(mean_loss)}  acc {percent(mean_accuracy)}"


class PlainLines(_Progress):
    """A line every ten seconds; a short epoch has none."""

    def __enter__(self) -> Self:
        self._last = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, step: int, *, loss: float, accuracy: float, images_per_second: float) -> None:
        """Show the state after `step` steps of the epoch: means over them, and the speed."""
        self._tell_duration(step)
        place = f"{self._name}  step {step}/{self._steps}  "
        text = self._text(
            step, _means(loss, accuracy), images_per_second, _PLAIN_WIDTH - len(place)
        )
        if time.monotonic() - self._last < PLAIN_SECONDS:
            return
        self._last = time.monotonic()
        self._console.print(place + text, markup=False)
        self._console.file.flush()


class LiveBar(_Progress):
    """A bar in the last line of the terminal, which disappears at the end of the epoch."""

    def __enter__(self) -> Self:
        bar = Column(ratio=1, min_width=_SHORTEST_BAR, max_width=24)
        self._bar = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=bar),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=self._console, transient=True, expand=True, refresh_per_second=4,
        )  # fmt: skip
        self._task = self._bar.add_task(self._name, total=self._steps, text=self._times.notice)
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, step: int, *, loss: float, accuracy: float, images_per_second: float) -> None:
        """Show the state after `step` steps of the epoch: means over them, and the speed."""
        self._tell_duration(step)
        width = self._console.width - len(self._name) - _SHORTEST_BAR - 2  # spaces
        text = self._text(step, _means(loss, accuracy), images_per_second, width)
        self._bar.update(self._task, completed=step, text=text)

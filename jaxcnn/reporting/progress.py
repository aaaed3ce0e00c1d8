"""The progress of an epoch: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from rich import progress
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from jaxcnn.reporting.words import clock, integer, loss, percent

PLAIN_SECONDS = 10.0  # between two plain lines
_PLAIN_WIDTH = 80  # columns
_SHORTEST_BAR = 4

Item = TypeVar("Item")


def track(items: Sequence[Item], text: str) -> Iterable[Item]:
    """The items, counted by a bar on standard error where that is a terminal."""
    console = RichConsole(stderr=True)
    is_quiet = not sys.stderr.isatty()
    return progress.track(items, text, console=console, transient=True, disable=is_quiet)


class TimeLeft:
    """Estimates the time an epoch and a run still take.

    The epoch's from the speed of its steps, the first ones left out, which may compile; the
    run's from whole epochs, evaluation included, as soon as one that compiled nothing is over.
    """

    def __init__(self, now=time.monotonic):
        self._now = now
        self._starts: deque[float] = deque(maxlen=6)
        self._num_started = 0
        self._epochs_after = self._steps = 0
        self._first: tuple[float, int] | None = None

    def start_epoch(self, steps: int, epochs_after: int) -> None:
        """An epoch of so many steps begins; so many epochs follow it."""
        self._steps, self._epochs_after, self._first = steps, epochs_after, None
        self._num_started += 1
        if self._num_started > 1:  # the first epoch compiles, or is the rest of one
            self._starts.append(self._now())

    @property
    def notice(self) -> str:
        """What keeps the first step of all waiting."""
        return "compiling" if self._num_started == 1 else ""

    def left(self, step: int) -> tuple[float | None, float | None]:
        """Seconds for the epoch and for the run, None as long as there is no telling."""
        if self._first is None:
            self._first = (self._now(), step)
        since, first_step = self._first
        if step <= first_step:
            return None, None
        per_step = (self._now() - since) / (step - first_step)
        epoch = per_step * (self._steps - step)
        per_epoch = per_step * self._steps
        if len(self._starts) > 1:
            per_epoch = (self._starts[-1] - self._starts[0]) / (len(self._starts) - 1)
        return epoch, epoch + per_epoch * self._epochs_after


class _Progress:
    """What both kinds share: the numbers as text."""

    def __init__(self, console: RichConsole, name: str, steps: int, times: TimeLeft):
        self._console, self._name, self._steps, self._times = console, name, steps, times

    def _text(self, step: int, scores: tuple[float, float, float], width: int) -> str:
        """The scores and the time left, in full where `width` allows it."""
        means = f"loss {loss(scores[0])}  acc {percent(scores[1])}"
        speed = f"{integer(scores[2])} img/s"
        epoch, run = self._times.left(step)
        if epoch is None:
            return f"{means}  {speed}"
        of_epoch, of_run = clock(epoch), f"run {clock(run)} left"
        texts = (
            f"{means}  {speed}  {of_epoch}, {of_run}",
            f"{means}  {of_epoch}, {of_run}",
            f"{means}  {of_run}",
        )
        return next((text for text in texts if len(text) <= width), means)


class PlainLines(_Progress):
    """A line every ten seconds, if there is news; a short epoch has none."""

    def __enter__(self) -> Self:
        self._last = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, step: int, *, loss: float, accuracy: float, images_per_second: float) -> None:
        """`step` steps of the epoch are done; loss and accuracy over them."""
        place = f"{self._name}  step {step}/{self._steps}  "
        text = self._text(step, (loss, accuracy, images_per_second), _PLAIN_WIDTH - len(place))
        if time.monotonic() - self._last < PLAIN_SECONDS:
            return
        self._last = time.monotonic()
        self._console.print(place + text, markup=False)
        self._console.file.flush()


class LiveBar(_Progress):
    """A bar in the last line of the terminal, gone when the epoch is over."""

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
        """`step` steps of the epoch are done; loss and accuracy over them."""
        width = self._console.width - len(self._name) - _SHORTEST_BAR - 2  # spaces
        text = self._text(step, (loss, accuracy, images_per_second), width)
        self._bar.update(self._task, completed=step, text=text)

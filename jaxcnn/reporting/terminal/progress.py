"""The progress of an epoch: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from rich import progress
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from jaxcnn.text import clock, duration, integer, loss, percent

PLAIN_SECONDS = 10.0  # between two plain lines
_ESTIMATE_AFTER = 5.0  # seconds of steps
_LONG_RUN = 600.0  # seconds from which on a run's duration is said
_LONG_EPOCH = 60.0  # seconds, beside which a compilation is short
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
        self._per_step = 0.0
        self._first_epoch: float | None = None

    def start_epoch(self, steps: int, epochs_after: int) -> None:
        """An epoch of so many steps begins; so many epochs follow it."""
        if self._num_started == 1 and self._first and self._per_step:
            since, first_step = self._first
            whole = self._now() - since + first_step * self._per_step
            # to compile the evaluation makes a short epoch look too long
            self._first_epoch = whole if whole > _LONG_EPOCH else None
        self._steps, self._epochs_after, self._first = steps, epochs_after, None
        self._num_started += 1
        if self._num_started > 1:  # the first epoch compiles, or is the rest of one
            self._starts.append(self._now())

    @property
    def notice(self) -> str:
        """What keeps the first step of all waiting."""
        return "compiling" if self._num_started == 1 else ""

    @property
    def epochs_left(self) -> int:
        """The epochs that are left, with the one that goes on."""
        return self._epochs_after + 1

    @property
    def per_epoch(self) -> float | None:
        """The seconds of a whole epoch, evaluation included; None before there is telling."""
        if len(self._starts) > 1:
            return (self._starts[-1] - self._starts[0]) / (len(self._starts) - 1)
        return self._first_epoch

    def measured(self) -> float:
        """Return for how many seconds it has watched this epoch's steps."""
        return 0.0 if self._first is None else self._now() - self._first[0]

    def left(self, step: int) -> tuple[float | None, float | None]:
        """Seconds for the epoch and for the run, None as long as there is no telling."""
        if self._first is None:
            self._first = (self._now(), step)
        since, first_step = self._first
        if step <= first_step:
            return None, None
        per_step = (self._now() - since) / (step - first_step)
        epoch = per_step * (self._steps - step)
        self._per_step = per_step
        per_epoch = self.per_epoch or per_step * self._steps
        return epoch, epoch + per_epoch * self._epochs_after


class Estimate:
    """Says how long a long run takes: as soon as there is telling, and where that was wrong."""

    def __init__(self, times: TimeLeft, now: Callable[[], float] = time.time):
        self._times, self._now = times, now
        self._end: float | None = None  # as it was said, by the clock on the wall
        self._is_checked = False
        self.max_minutes, self.may_stop_early = 0.0, False

    def line(self, step: int) -> str:
        """Return what is to be said after `step` steps of an epoch; "": nothing."""
        _, left = self._times.left(step)
        if left is None or self._times.measured() < _ESTIMATE_AFTER:
            return ""
        return self._judge(left)

    def first_line(self) -> str:
        """Return what is to be said at the start of an epoch, which may be too short for more."""
        seconds = self._times.per_epoch
        return "" if seconds is None else self._judge(seconds * self._times.epochs_left)

    def _judge(self, left: float) -> str:
        if self._end is None:
            return self._say(left) if left > _LONG_RUN else ""
        if self._is_checked or self._times.per_epoch is None:
            return ""
        self._is_checked = True
        said = max(self._end - self._now(), 1.0)
        return self._say(left) if max(said / left, left / said) > 1.5 else ""

    def _say(self, left: float) -> str:
        self._end = self._now() + left
        number = self._times.epochs_left
        about = "at most about" if self.may_stop_early else "about"
        form = "%a %H:%M" if left < 6 * 86400 else "%d %b %H:%M"
        text = f"{about} {duration(left)} for {number} epoch{'s' if number > 1 else ''}"
        if self.max_minutes > 0:
            return f"{text}; config.max_minutes = {self.max_minutes:g} may end it before"
        until = time.strftime(form, time.localtime(self._end))
        return f"{text} (until {until}); Ctrl-C saves, the same command resumes"


class _Progress:
    """What both kinds share: the numbers as text."""

    def __init__(
        self, console: RichConsole, name: str, steps: int, times: TimeLeft, estimate: Estimate
    ):
        self._console, self._name, self._steps, self._times = console, name, steps, times
        self._estimate = estimate

    def _tell_estimate(self, step: int) -> None:
        if line := self._estimate.line(step):
            self._console.print(line, markup=False)
            self._console.file.flush()

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
        self._tell_estimate(step)
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
        self._tell_estimate(step)
        width = self._console.width - len(self._name) - _SHORTEST_BAR - 2  # spaces
        text = self._text(step, (loss, accuracy, images_per_second), width)
        self._bar.update(self._task, completed=step, text=text)

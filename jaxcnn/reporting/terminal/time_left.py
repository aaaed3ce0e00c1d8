"""The time that an epoch and a run still take, and the lines that tell it to the user."""

import time
from collections import deque
from collections.abc import Callable

from jaxcnn.text import duration

_TELL_AFTER = 5.0  # seconds of steps
_LONG_RUN = 600.0  # seconds; the duration of a longer run is printed
_LONG_EPOCH = 60.0  # seconds; beside a longer epoch, a compilation is short
_WRONG_BY = 1.5  # an estimate that is wrong by more than this factor is corrected


class TimeLeft:
    """Estimates the time that an epoch and a run still take.

    The estimate for the epoch uses the speed of its steps after the first, which may compile. The
    estimate for the run uses whole epochs, evaluation included, as soon as one epoch without a
    compilation is over.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._starts: deque[float] = deque(maxlen=6)
        self._num_started = 0
        self._epochs_after = self._steps = 0
        self._first: tuple[float, int] | None = None
        self._per_step = 0.0
        self._first_epoch: float | None = None

    def start_epoch(self, steps: int, epochs_after: int) -> None:
        """Start an epoch of `steps` steps, which `epochs_after` epochs follow."""
        if self._num_started == 1 and self._first and self._per_step:
            since, first_step = self._first
            whole = self._now() - since + first_step * self._per_step
            # in a short epoch, the compilation of the evaluation counts too much
            self._first_epoch = whole if whole > _LONG_EPOCH else None
        self._steps, self._epochs_after, self._first = steps, epochs_after, None
        self._num_started += 1
        if self._num_started > 1:  # the first epoch compiles, or is resumed in its middle
            self._starts.append(self._now())

    @property
    def notice(self) -> str:
        """The text to show until the first step of an epoch is done; "" if nothing compiles."""
        return "compiling" if self._num_started == 1 else ""

    @property
    def epochs_left(self) -> int:
        """The number of epochs left, the present one included."""
        return self._epochs_after + 1

    @property
    def per_epoch(self) -> float | None:
        """The seconds of a whole epoch, evaluation included; None if not yet known."""
        if len(self._starts) > 1:
            return (self._starts[-1] - self._starts[0]) / (len(self._starts) - 1)
        return self._first_epoch

    def measured(self) -> float:
        """Return the seconds since the first `left` of this epoch."""
        return 0.0 if self._first is None else self._now() - self._first[0]

    def left(self, step: int) -> tuple[float | None, float | None]:
        """Return the seconds left for the epoch and for the run after `step`; None if unknown."""
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


class DurationNotice:
    """Tells the duration of a long run as soon as it is known, and again if it was wrong.

    Attributes:
      max_minutes: the run's limit, 0 for none.
      may_stop_early: whether early stopping may end the run.
    """

    def __init__(self, times: TimeLeft, now: Callable[[], float] = time.time):
        self._times, self._now = times, now
        self._end: float | None = None  # as printed, in seconds of the system's clock
        self._is_checked = False
        self.max_minutes, self.may_stop_early = 0.0, False

    def line(self, step: int) -> str:
        """Return the line to print after `step` steps of an epoch; "" for none."""
        _, left = self._times.left(step)
        if left is None or self._times.measured() < _TELL_AFTER:
            return ""
        return self._line(left)

    def first_line(self) -> str:
        """Return the line to print at the start of an epoch; "" for none."""
        seconds = self._times.per_epoch
        return "" if seconds is None else self._line(seconds * self._times.epochs_left)

    def _line(self, left: float) -> str:
        if self._end is None:
            return self._tell(left) if left > _LONG_RUN else ""
        if self._is_checked or self._times.per_epoch is None:
            return ""
        self._is_checked = True
        told = max(self._end - self._now(), 1.0)
        return self._tell(left) if max(told / left, left / told) > _WRONG_BY else ""

    def _tell(self, left: float) -> str:
        self._end = self._now() + left
        number = self._times.epochs_left
        about = "at most about" if self.may_stop_early else "about"
        form = "%a %H:%M" if left < 6 * 86400 else "%d %b %H:%M"
        text = f"{about} {duration(left)} for {number} epoch{'s' if number > 1 else ''}"
        if self.max_minutes > 0:
            return f"{text}; config.max_minutes = {self.max_minutes:g} may end it earlier"
        until = time.strftime(form, time.localtime(self._end))
        return f"{text} (until {until}); Ctrl-C saves, the same command resumes"

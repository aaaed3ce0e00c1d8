"""The progress of a population: a table for a terminal, a line for a log file."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from jaxcnn.reporting.comparison.labels import short_name, short_value
from jaxcnn.text import clock, integer, percent, printable

_OTHER_LINES = 8  # of the screen: the table's head and caption, and a few lines above it
_FEWEST_ROWS = 3


@dataclasses.dataclass(frozen=True)
class MemberProgress:
    """The progress of a member.

    Attributes:
      name: of its folder.
      values: of the fields that vary.
      epoch, num_epochs: finished, and planned.
      last, best: validation accuracies; None before the first.
      best_epoch: 0 before the first.
      state: "trains", "ended" or "diverged".
      images, seconds: of the timed steps, `seconds` as its share of the time of all.
    """

    name: str
    values: Mapping[str, Any]
    epoch: int
    num_epochs: int
    last: float | None
    best: float | None
    best_epoch: int
    state: str
    images: int
    seconds: float

    @property
    def epochs_left(self) -> int:
        """The planned epochs that are left."""
        return self.num_epochs - self.epoch if self.state == "trains" else 0


class Pace:
    """Estimates the time that a population still takes, by epochs of members after the first call.

    The first epochs compile, so they are not counted.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now, self._start = now, now()
        self._first: tuple[float, int] | None = None

    @property
    def elapsed(self) -> float:
        """The seconds since the start."""
        return self._now() - self._start

    def left(self, members: Iterable[MemberProgress]) -> float | None:
        """Return the seconds left when members have just finished an epoch; None if unknown."""
        members = list(members)
        done = sum(member.epoch for member in members)
        if self._first is None:
            self._first = self._now(), done
        since, first = self._first
        if done <= first:
            return None
        return (self._now() - since) / (done - first) * sum(m.epochs_left for m in members)


def speed_of(members: Iterable[MemberProgress]) -> float:
    """Return the images per second that all members train together."""
    members = list(members)
    return sum(m.images for m in members) / max(sum(m.seconds for m in members), 1e-9)


def progress_line(members: Sequence[MemberProgress], left: str) -> str:
    """Return the progress as a line: the epoch of the members that train, the best, the speed.

    Args:
      members: one or more of them have been validated.
      left: the time left; "" if unknown.
    """
    training = [member for member in members if member.state == "trains"]
    epoch = min(member.epoch for member in training or members)
    last = [member.last for member in members if member.last is not None]
    best = max(members, key=lambda member: member.best or -1.0)
    parts = [
        f"epoch {epoch}/{best.num_epochs}  validation {percent(min(last))} to {percent(max(last))}",
        f"best so far {percent(best.best)} (member {best.name})",
        f"{integer(speed_of(members))} images/s",
        *([f"{len(training)} of {len(members)} train"] * (0 < len(training) < len(members))),
        *([left] if left and training else []),
    ]
    return "  ".join(parts)


def progress_table(members: Sequence[MemberProgress], pace: Pace, left: str, height: int) -> Table:
    """Return the progress as a table: the best members, and figures of all.

    Args:
      members: of the population.
      pace: knows the time since the start.
      left: the time left; "" if unknown.
      height: of the terminal, in lines.
    """
    ranked = sorted(members, key=lambda member: (-(member.best or -1.0), member.name))
    shown = ranked[: max(height - _OTHER_LINES, _FEWEST_ROWS)]
    training = sum(member.state == "trains" for member in members)
    figures = [
        f"{training} of {len(members)} members train",
        f"{integer(speed_of(members))} images/s" if any(m.images for m in members) else "compiling",
        clock(pace.elapsed),
        *([left] if left else []),
    ]
    rest = len(members) - len(shown)
    more = [f"and {rest} more members"] if rest else []
    table = Table(
        caption=Text("  ·  ".join([*more, *figures])), box=box.SIMPLE_HEAD, caption_justify="left"
    )
    table.add_column("member", no_wrap=True)
    for name in members[0].values:
        table.add_column(printable(short_name(name)), justify="right", no_wrap=True)
    for name in ("epoch", "validation", "best", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for index, member in enumerate(shown):
        table.add_row(*_cells(member), style="green" if not index and member.best else "")
    return table


def _cells(member: MemberProgress) -> list[str]:
    best = f"{percent(member.best)} in epoch {member.best_epoch}" if member.best_epoch else "-"
    return [
        member.name,
        *map(short_value, member.values.values()),
        f"{member.epoch}/{member.num_epochs}",
        percent(member.last),
        best,
        "" if member.state == "trains" else member.state,
    ]

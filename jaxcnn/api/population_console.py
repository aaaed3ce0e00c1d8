"""The output of a population: its members, their progress, and a table of results."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from rich.table import Table
from rich.text import Text

from jaxcnn.config.sweep import Assignment, describe_values
from jaxcnn.reporting.sweep.outcome import Outcome
from jaxcnn.reporting.sweep.page import BEST, PAGE, choice_text, comparison_text, recipe_table
from jaxcnn.reporting.terminal.comparison_table import fit_table
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.population_table import (
    MemberProgress,
    Pace,
    progress_line,
    progress_table,
)
from jaxcnn.reporting.terminal.progress_bar import PLAIN_SECONDS
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.text import clock
from jaxcnn.training.member import Member
from jaxcnn.training.member_programs import Form
from jaxcnn.training.run import Run


class PopulationConsole:
    """The output of a population to a console.

    On a terminal the progress is a live table. Elsewhere it is a line for each epoch of all
    members, and every ten seconds one for the members that have finished their epoch.

    Args:
      console: where it is written.
      members: the fields' values of each member, by its number.

    Attributes:
      quiet: a console for what concerns a single member, which shows warnings alone.
    """

    def __init__(self, console: Console, members: Mapping[int, Assignment]):
        self._console, self._members = console, members
        self.quiet, self._epoch = Console(quiet=True), 0
        self._group, self._num_groups, self._size = "", 1, ""
        self._notes: set[str] = set()
        self._pace: Pace | None = None
        self._left: float | None = None
        self._told, self._has_table, self._has_started = time.monotonic(), False, False
        self._shown = set(members)  # the members whose progress is shown

    def group(self, number: int, num_groups: int, values: Assignment) -> None:
        """Name the members that `start` shows next: those that have some values."""
        self._group = f"group {number} of {num_groups}: {describe_values(values)}"
        self._num_groups = num_groups

    def start(
        self,
        config: ConfigDict,
        run: Run,
        workdir: Path,
        form: Form,
        num_members: int,
        num_left: int,
    ) -> None:
        """Show the network, the config, and what is left to train; what is known only once."""
        fields = list(self._members[min(self._members)])
        names = ", ".join(fields)
        if not self._has_started:
            self._console.start(config, render_summary(run.plan.network), str(workdir), fields)
            if self._group:
                total = f"{len(self._members)} members in {self._num_groups} groups"
                self._console.print(f"{total}, differ in {names}")
        self._has_started = True
        ended = num_members - num_left
        done = f", of which {ended} {'has' if ended == 1 else 'have'} ended" if ended else ""
        differ = "" if self._group else f", differ in {names}"
        noun = "member" if num_members == 1 else "members"
        size = f"{num_members} {noun}{done}{differ}; {form}"
        if self._group:
            self._console.print(f"\n{self._group}", "bold")
        if size != self._size:
            self._console.print(size)
        self._size = size

    def resume(self, members: Mapping[int, Member]) -> None:
        """Show where resumed members go on; those further behind train first."""
        epochs = [member.position.epoch for member in members.values()]
        if any(member.position.step for member in members.values()):
            low, high = min(epochs), max(epochs)
            where = f"{low} to {high}" if low < high else str(low)
            self._console.print(f"resuming after {where} epochs", "bold")
        self._epoch = min(epochs)

    def train_next(self, numbers: Sequence[int], name: str, values: Assignment) -> None:
        """Show the progress of some members alone from now on.

        Args:
          numbers: of the members.
          name: of their group; "" if they are all members that train.
          values: that set them apart from other groups.
        """
        if name:
            members = f"{len(numbers)} member{'s' * (len(numbers) > 1)}"
            self._console.print(f"{name}, {members}: {describe_values(values)}", "bold")
        self._shown, self._epoch = set(numbers), 0

    def note(self, lines: Sequence[str]) -> None:
        """Show lines that hold for several members once."""
        for line in lines:
            if line not in self._notes:
                self._console.print(line)
        self._notes.update(lines)

    def warn(self, index: int, text: str) -> None:
        """Show a warning about a member."""
        self._console.warn(f"member {index:03} ({describe_values(self._members[index])}): {text}")

    def display(self, index: int) -> "_MemberDisplay":
        """Return the display of a member, which shows its warnings alone."""
        return _MemberDisplay(self, index)

    @contextlib.contextmanager
    def live(self, members: Mapping[int, Member]) -> Iterator[None]:
        """Show a table on a terminal while the block trains the members, then their last line."""
        self._pace = pace = Pace()

        def table(height: int) -> Table:
            progress = self._progress(members, self._shown)
            return progress_table(progress, pace, self._time_left, height)

        with self._console.live(table) as is_shown:
            self._has_table = is_shown
            yield
        self._has_table = False
        if is_shown and any(member.progress.best_epoch for member in members.values()):
            self._tell(progress_line(self._progress(members, self._shown), ""))

    @contextlib.contextmanager
    def reports(self, done: Sequence[Any]) -> Iterator[None]:
        """Show on a terminal how many members' reports are there while the block adds to `done`."""

        def text(_: int) -> Text:
            return Text(f"{len(done)} of {len(self._members)} reports")

        with self._console.live(text):
            yield

    @property
    def _time_left(self) -> str:
        """The time left of the members that train together; "" if it is unknown."""
        of_group = " of this group" if self._group else ""
        return f"{clock(self._left)} left{of_group}" if self._left else ""

    def _progress(
        self, members: Mapping[int, Member], shown: Collection[int]
    ) -> list[MemberProgress]:
        """Return the progress of the members that are shown, by their numbers."""
        return [_progress_of(i, members[i], self._members[i]) for i in members if i in shown]

    def epoch(self, members: Mapping[int, Member]) -> None:
        """Show the progress when some members have finished an epoch."""
        progress = self._progress(members, self._shown)
        everything = self._progress(members, members)
        self._left = self._pace.left(everything) if self._pace else None
        if self._has_table or all(member.last is None for member in progress):
            return
        training = [member for member in progress if member.state == "trains"]
        epoch = min(member.epoch for member in training or progress)
        if epoch > self._epoch:
            self._epoch = epoch
            self._tell(progress_line(progress, self._time_left))
        elif training and time.monotonic() - self._told > PLAIN_SECONDS:
            ahead = sum(member.epoch > epoch for member in progress)
            behind = sum(member.epoch == epoch for member in training)
            name = f"epoch {epoch + 1}/{training[0].num_epochs}"
            line = f"{name}: {ahead} of {ahead + behind} members have finished it"
            self._tell("  ".join(filter(None, (line, self._time_left))))

    def _tell(self, line: str) -> None:
        self._console.print(line)
        self._told = time.monotonic()

    def result(self, outcome: Outcome, workdir: Path) -> None:
        """Show the recipes in a table, the chosen one, and the files."""
        self._console.print()
        self._console.show(functools.partial(fit_table, "", recipe_table(outcome)))
        self._console.print(choice_text(outcome, workdir).replace("`", ""))
        if text := comparison_text(outcome):
            self._console.print(text)
        self._console.print(f"\neverything is in {workdir}")
        for name, content in _FILES.items():
            self._console.print(f"  {name:<13}{content}")


_FILES = {
    PAGE: "the page with all tables and pictures",
    BEST: "the config of the best recipe, for --config",
    "result.json": "the numbers of all recipes and members",
    "members": "each member as a run",
}


def _progress_of(index: int, member: Member, values: Assignment) -> MemberProgress:
    progress, has_epoch = member.progress, member.progress.best_epoch > 0
    state = "trains" if member.is_training else "diverged" if member.failure else "ended"
    return MemberProgress(
        name=f"{index:03}",
        values=values,
        epoch=member.position.epoch,
        num_epochs=member.plan.num_epochs,
        last=progress.last_accuracy if has_epoch else None,
        best=progress.best_accuracy if has_epoch else None,
        best_epoch=progress.best_epoch,
        state=state,
        images=progress.train_images,
        seconds=progress.train_seconds,
    )


@dataclasses.dataclass(frozen=True)
class _MemberDisplay:
    """The display of a member; see `training.display.Display`."""

    shown: PopulationConsole
    index: int

    def warn(self, text: str) -> None:
        """Show a warning."""
        self.shown.warn(self.index, text)

    def note(self, text: str) -> None:
        """Show nothing; a member has a single phase."""

    def waiting(self, task: str) -> AbstractContextManager[None]:
        """Return a context that shows nothing."""
        return contextlib.nullcontext()

    def progress(self, epoch: int, num_epochs: int, steps: int) -> AbstractContextManager[Any]:
        """Return a context that shows nothing."""
        return contextlib.nullcontext()

    def epoch_row(self, **figures: Any) -> None:
        """Show nothing; the population has a line for all members."""

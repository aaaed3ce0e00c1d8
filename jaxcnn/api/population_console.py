"""The output of a population: its members, a line for each epoch, and a table of results."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.sweep import Assignment, describe_values
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.tables import results_table
from jaxcnn.reporting.terminal.comparison_table import print_table
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.text import integer, percent
from jaxcnn.training.member import Member
from jaxcnn.training.member_programs import Form
from jaxcnn.training.run import Run


class PopulationConsole:
    """The output of a population to a console.

    Args:
      console: where it is written.
      members: the fields' values of each member, by its number.

    Attributes:
      quiet: a console for what concerns a single member, which shows warnings alone.
    """

    def __init__(self, console: Console, members: Mapping[int, Assignment]):
        self._console, self._members = console, members
        self.quiet, self._epoch = Console(quiet=True), 0
        self._notes: set[str] = set()

    def start(self, config: ConfigDict, run: Run, workdir: Path, form: Form, num_left: int) -> None:
        """Show the network, the config, and what is left to train."""
        self._console.start(config, render_summary(run.plan.network), str(workdir))
        finished = len(self._members) - num_left
        done = f", of which {finished} have ended" if finished else ""
        names = ", ".join(self._members[min(self._members)])
        self._console.print(f"{len(self._members)} members{done}, differ in {names}; {form}")

    def resume(self, members: Mapping[int, Member]) -> None:
        """Show where resumed members go on; those further behind train first."""
        epochs = [member.position.epoch for member in members.values()]
        if any(member.position.step for member in members.values()):
            low, high = min(epochs), max(epochs)
            where = f"{low} to {high}" if low < high else str(low)
            self._console.print(f"resuming after {where} epochs", "bold")
        self._epoch = min(epochs)

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

    def epoch(self, members: Mapping[int, Member]) -> None:
        """Show a line when all members that train have finished another epoch."""
        scored = {index: member for index, member in members.items() if member.progress.best_epoch}
        training = [member for member in members.values() if member.is_training]
        epoch = min((m.position.epoch for m in training or scored.values()), default=0)
        if epoch <= self._epoch or not scored:
            return
        self._epoch = epoch
        best = max(scored, key=lambda index: scored[index].progress.best_accuracy)
        accuracies = [member.progress.last_accuracy for member in scored.values()]
        progress = [member.progress for member in members.values()]
        images = sum(p.train_images for p in progress)
        speed = images / max(sum(p.train_seconds for p in progress), 1e-9)
        self._console.print(
            f"epoch {epoch}/{scored[best].plan.num_epochs}  validation {percent(min(accuracies))} "
            f"to {percent(max(accuracies))}  best so far "
            f"{percent(scored[best].progress.best_accuracy)} (member {best:03})  "
            f"{integer(speed)} images/s"
        )

    def result(self, folders: Sequence[Path]) -> None:
        """Show the results of the members in a table; seeds of a recipe share a row."""
        if self._console.is_quiet:
            return
        runs, _ = read_runs(folders)
        sections, _ = compare(runs)
        for section in sections:
            print_table(section.dataset, results_table(section))
        self._console.print(f"everything is in {folders[0].parent.parent}")


@dataclasses.dataclass(frozen=True)
class _MemberDisplay:
    """The display of a member; see `training.display.Display`."""

    shown: PopulationConsole
    index: int

    def warn(self, text: str) -> None:
        """Show a warning."""
        self.shown.warn(self.index, text)

    def waiting(self, task: str) -> AbstractContextManager[None]:
        """Return a context that shows nothing."""
        return contextlib.nullcontext()

    def progress(self, epoch: int, num_epochs: int, steps: int) -> AbstractContextManager[Any]:
        """Return a context that shows nothing."""
        return contextlib.nullcontext()

    def epoch_row(self, **figures: Any) -> None:
        """Show nothing; the population has a line for all members."""

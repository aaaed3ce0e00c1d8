"""The console output of a run: summary, progress, a line per epoch, result.

On a terminal the progress is a live bar. In a pipe or a log file it is a plain line every ten
seconds, without control characters. Lines have at most 80 columns; those of the config
have at most 100.
"""

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from jaxcnn.evaluation.balance import balanced_accuracy, shows_balanced_accuracy
from jaxcnn.process.background import in_background
from jaxcnn.reporting import protocol
from jaxcnn.reporting.provenance import unrecognized
from jaxcnn.reporting.terminal.config_lines import config_lines
from jaxcnn.reporting.terminal.progress_bar import LiveBar, PlainLines
from jaxcnn.reporting.terminal.tables import PIPE_COLUMNS
from jaxcnn.reporting.terminal.time_left import DurationNotice, TimeLeft
from jaxcnn.text import clock, decimal, integer, loss, percent, printable_lines, rate
from jaxcnn.workdir.endings import advice_to_continue, describe_end

WAITING_SECONDS = 30.0  # a longer wait is explained
HEADER = (
    "              ---- train ----     -- validation --   learning            images",
    "  epoch      loss  accuracy       loss  accuracy       rate  s/epoch  /second",
)


class Console:
    """The output of a run to a terminal or a file.

    Args:
      stream: where it is written; standard output by default.
      quiet: write warnings alone.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False):
        self._stream = stream or sys.stdout
        reconfigure = getattr(self._stream, "reconfigure", None)
        if reconfigure is not None:  # an ASCII terminal gets "?", not a crash
            reconfigure(errors="replace")
        is_terminal = self._stream.isatty()
        self._rich = RichConsole(
            file=self._stream, force_terminal=is_terminal, force_jupyter=False, highlight=False,
            soft_wrap=True, quiet=quiet,
        )  # fmt: skip
        self.is_live = is_terminal and not self._rich.is_dumb_terminal
        self._times = TimeLeft()
        self._duration = DurationNotice(self._times)
        self._has_header = self._has_notice = False
        self._config: Mapping[str, Any] = {}
        self._warnings: list[str] = []

    @property
    def is_quiet(self) -> bool:
        """True if warnings alone are written."""
        return self._rich.quiet

    def print(self, text: str = "", style: str = "") -> None:
        """Print a line or lines, without markup."""
        self._clear_notice()
        self._rich.print(printable_lines(text), style=style or None, markup=False)
        self._stream.flush()

    def show(self, make_table: Callable[[int], RenderableType]) -> None:
        """Print the table that `make_table` makes for a width; it is wide in a file."""
        width = self._rich.width if self._rich.is_terminal else PIPE_COLUMNS
        wide = RichConsole(
            file=self._stream, width=width, force_terminal=self._rich.is_terminal,
            force_jupyter=False, highlight=False, quiet=self._rich.quiet,
        )  # fmt: skip
        wide.print(make_table(width))
        self._stream.flush()

    @contextmanager
    def live(self, make_table: Callable[[int], RenderableType]) -> Iterator[bool]:
        """Show a table in the last lines of a terminal while the block runs.

        Args:
          make_table: called twice a second with the terminal's height in lines.

        Yields:
          True if the table is shown; False where there is no terminal, or if the console is quiet.
        """
        if not self.is_live or self._rich.quiet:
            yield False
            return
        with Live(
            get_renderable=lambda: make_table(self._rich.height), console=self._rich,
            transient=True, refresh_per_second=2,
        ):  # fmt: skip
            yield True

    def warn(self, text: str) -> None:
        """Print a warning, also if the console is quiet; the run continues."""
        quiet, self._rich.quiet = self._rich.quiet, False
        self.print(f"warning: {text}", "yellow")
        self._rich.quiet = quiet

    def note(self, text: str) -> None:
        """Print a line about the course of the training; nothing for an empty one."""
        if text:
            self.print(text, "bold")

    def start(
        self,
        config: Mapping[str, Any],
        summary: Any,
        workdir: str | Path,
        varying: Collection[str] = (),
    ) -> None:
        """Print the network's summary, the config and the folder.

        Args:
          config: of the run, or of one of several that train together.
          summary: text or a rich renderable.
          workdir: the folder.
          varying: the fields in which the runs differ.
        """
        self._config = config
        self._duration.max_minutes = config.get("max_minutes", 0.0)
        patience = config.get("early_stopping", {}).get("patience", 0)
        phases = map(str, config.get("phases", ()))
        self._duration.may_stop_early = patience > 0 or any("patience" in p for p in phases)
        self._warnings = protocol.warnings(config)
        self._rich.print(summary, markup=False, soft_wrap=isinstance(summary, str))
        self.print()
        for line in config_lines(config, min(self._rich.width, 100), varying):
            self.print(line)
        self.print(f"\neverything goes to {workdir}")

    def resume(self, epoch: int | None, step: int, changes: Sequence[str] = ()) -> None:
        """Print where the run resumes, and what changed in its config.

        Args:
          epoch: the epoch, counted from 1; None if only the test is left.
          step: the number of steps done.
        """
        where = f"resuming in epoch {epoch}, after {integer(step)} steps"
        self.print("all steps are done; only the test is left" if epoch is None else where, "bold")
        for change in changes:
            self.print(f"  changed: {change}", "yellow")
        self._has_header = False

    @contextmanager
    def progress(self, epoch: int, num_epochs: int, steps: int) -> Iterator[LiveBar | PlainLines]:
        """Show the progress of an epoch (from 1); `update` of the yielded object advances it."""
        self._times.start_epoch(steps, epochs_after=num_epochs - epoch)
        if line := self._duration.first_line():
            self.print(line)
        progress_type = LiveBar if self.is_live else PlainLines
        with progress_type(
            self._rich, f"epoch {epoch}/{num_epochs}", steps, self._times, self._duration
        ) as bar:
            yield bar
        self._show_notice(f"epoch {epoch}/{num_epochs}  validating")

    @contextmanager
    def waiting(self, task: str) -> Iterator[None]:
        """Print that `task` goes on, after 30 seconds and each time that the wait has doubled."""
        started = time.monotonic()

        def tell(is_over: threading.Event) -> None:
            wait = WAITING_SECONDS
            while not is_over.wait(wait):
                seconds = time.monotonic() - started
                self.print(f"{task}, {seconds:.0f} s so far (large networks take minutes)", "dim")
                wait = seconds

        with in_background(tell):
            yield

    def _show_notice(self, text: str) -> None:
        """Show a line that the next one replaces, on a terminal only."""
        if self.is_live:
            self._rich.print(text, style="dim", end="\r")
            self._has_notice = True

    def _clear_notice(self) -> None:
        if self._has_notice:
            self._rich.control(Control((ControlType.ERASE_IN_LINE, 2)))
            self._has_notice = False

    def epoch_row(
        self,
        *,
        epoch: int,
        num_epochs: int,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        is_best: bool,
    ) -> None:
        """Print a line of the table of epochs, with the header before the first one.

        Args:
          train: loss, accuracy, learning_rate, seconds, images_per_second.
          validation: loss, accuracy, and any further metrics, which follow in the line.
        """
        if not self._has_header:
            self.print("\n" + "\n".join(HEADER), "bold")
            self._has_header = True
        numbers = (
            f"{f'{epoch}/{num_epochs}':>7} {loss(train['loss']):>9} "
            f"{percent(train['accuracy']):>9}  {loss(validation['loss']):>9} "
            f"{percent(validation['accuracy']):>9} {rate(train['learning_rate']):>10} "
            f"{decimal(train['seconds']):>8} {integer(train['images_per_second']):>8}"
        )
        further = (name for name in validation if name not in ("loss", "accuracy"))
        numbers += "".join(f"  {name} {percent(validation[name])}" for name in further)
        self.print(numbers + (" *" if is_best else ""), "green" if is_best else "")

    def result(
        self,
        result: Mapping[str, Any],
        workdir: str | Path,
        classes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Print the result of the run and a list of its files.

        Args:
          result: the content of `result.json`.
          classes: the test metrics by class, see `evaluation.metrics.class_metrics`.
        """
        config, remedy = self._config, ""
        if "ended" in result:
            remedy = advice_to_continue(Path(workdir), result, config)
        self.print()
        for name, value in result_lines(result, config, classes, remedy):
            self._rich.print(Text(f"{name:<15}", "bold") + Text(value))
        for warning in filter(None, (unrecognized(classes), *self._warnings)):
            for line in textwrap.wrap(warning, 80):
                self.print(line, "yellow")
        self.print(f"\neverything is in {workdir}")
        for entry, content in _WORKDIR.items():
            if os.path.exists(os.path.join(workdir, entry)):
                self.print(f"  {entry:<13}{content}")


_WORKDIR = {
    "report.md": "the report, with all plots",
    "plots": "curves, confusion matrix, calibration, mistakes, saliency",
    "evaluation": "metrics by class on the test split, as JSON and CSV",
    "metrics.csv": "the numbers of each epoch (the same in metrics.jsonl)",
    "tensorboard": "for tensorboard --logdir",
    "checkpoints": "the best and the latest weights",
    "profile": "the trace of --profile, and the costliest operations",
    "result.json": "the numbers above",
}


def result_lines(
    result: Mapping[str, Any],
    config: Mapping[str, Any],
    classes: Sequence[Mapping[str, Any]] = (),
    remedy: str = "",
) -> list[tuple[str, str]]:
    """Return the lines of a result as (name, text), with the remedy that lets the run continue."""
    best = f"epoch {result['best_epoch']} of {result['num_epochs']}"
    if not result["best_epoch"]:
        best = "no epoch was finished"
    elif "best_validation_accuracy" in result:
        best += f", validation accuracy {percent(result['best_validation_accuracy'])}"
    test = f"{percent(result['test_accuracy'])}, loss {loss(result['test_loss'])}"
    if "tested_with" in result:
        test += f", with the weights of the {result['tested_with']} epoch"
    time, speed = clock(result["seconds"]), result["images_per_second"]
    if speed:  # None if each call of the run compiled a program
        time += f", {integer(speed)} images/s in training"
    balanced = f"{percent(balanced_accuracy(classes))} balanced (mean recall of the classes)"
    return [
        ("test accuracy", test),
        *([("", balanced)] if shows_balanced_accuracy(classes) else []),
        ("best", best),
        *([("ended", describe_end(result, config))] if "ended" in result else []),
        *([("continues with", remedy)] if remedy else []),
        ("time", time),
        ("parameters", integer(result["parameters"])),
    ]

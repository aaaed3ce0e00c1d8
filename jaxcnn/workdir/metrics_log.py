"""What a run writes to its workdir, so that killing it at any moment leaves it readable.

`metrics.jsonl` is the record: a line per evaluation. `metrics.csv` and the TensorBoard events
mirror it for spreadsheets and for eyes.
"""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.reading import parse_json, read_bytes
from jaxcnn.files.schemas import Wrong
from jaxcnn.files.writing import to_json, write_text, writing_to
from jaxcnn.workdir.run_files import OtherRun, checkpoint_steps, read_progress
from jaxcnn.workdir.schemas import ROW, Row
from jaxcnn.workdir.tensorboard import open_events

_MOST_METRICS = 1 << 30  # bytes


def read_metrics(workdir: str | Path) -> list[Row]:
    """Return the rows of a run, in order. A last line that is not whole is left out; null is None.

    Raises:
      UserError: there are no metrics in the folder, or a line is damaged.
    """
    path = Path(workdir) / "metrics.jsonl"
    if not path.exists():
        raise UserError(f"{path} is not there: {workdir} is not the folder of a run")
    lines = read_bytes(path, _MOST_METRICS).split(b"\n")
    rows = []
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = parse_json(line.decode("utf-8"))
            ROW(row, "")
        except ValueError as error:
            if index == len(lines) - 1 and not isinstance(error, Wrong):  # no end of the line
                break
            where = f"{path}: line {index + 1}"
            raise UserError(f"{where} is not a row of metrics ({error})") from error
        rows.append(row)
    return rows


def read_own_metrics(workdir: Path, result: Mapping[str, Any] | None) -> list[Row]:
    """Return as `read_metrics`, if the rows are those that the result, or else the newest
    checkpoint, was written with.

    Raises:
      UserError: they are not, the checkpoint is of another run, or as `read_metrics`.
    """
    rows, steps = read_metrics(workdir), checkpoint_steps(workdir)
    if result is not None:
        name, digest, until = "result.json", result.get("metrics_digest"), rows
    elif steps:
        name, until = f"checkpoint {steps[-1]}", rows_until(rows, steps[-1])
        try:
            digest = read_progress(workdir, steps[-1]).get("metrics_digest")
        except OtherRun:
            raise
        except UserError:  # a damaged checkpoint takes nothing from the metrics
            return rows
    else:
        return rows
    tested = [row["accuracy"] for row in rows if row["split"] == "test" and "accuracy" in row]
    if digest and result is not None and tested and tested[-1] != result.get("test_accuracy"):
        raise UserError(
            f"{workdir / 'result.json'}: its test_accuracy is not the one in metrics.jsonl"
        )
    if digest and digest != digest_of(until):
        raise UserError(f"{workdir / 'metrics.jsonl'}: is not the one that {name} was written with")
    return rows


def json_line(row: Row) -> str:
    """Return a row as it stands in `metrics.jsonl`."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def rows_until(rows: Iterable[Row], step: int) -> list[Row]:
    """Return the rows that a run had at a checkpoint: the test's come after its end."""
    return [row for row in rows if row["step"] <= step and row["split"] != "test"]


def digest_of(rows: Iterable[Row]) -> str:
    """Return what tells these rows from others; the test's are left out."""
    lines = (json_line(row) for row in rows_until(rows, math.inf))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def check_metrics(workdir: Path, step: int, digest: str, epochs: int) -> None:
    """Check that `metrics.jsonl` has the rows that a checkpoint was written with.

    Args:
      digest: of the rows, as the checkpoint names it; "" for one of older code.
      epochs: finished at the checkpoint.

    Raises:
      UserError: it is missing, damaged, of another run, or was edited.
    """
    path = workdir / "metrics.jsonl"
    rows = rows_until(read_metrics(workdir) if os.path.lexists(path) else [], step)
    # those of the epoch in progress tell of a run that `max_minutes` ended, after its last save
    rows = [row for row in rows if row["epoch"] <= epochs]
    last = max((row["epoch"] for row in rows), default=0)
    if last != epochs or (digest and digest != digest_of(rows)):
        what = "is not the one" if path.exists() else "is missing, and was there"
        raise UserError(
            f"{path}: {what} that {workdir / 'checkpoints' / str(step)} was written with; bring it "
            "back, or start another --workdir with --init_from, which takes over the weights"
        )


COLUMNS = (
    "step", "epoch", "split", "loss", "accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip


class MetricsWriter:
    """Appends rows to the metrics of a run.

    Args:
      workdir: the run's folder, made if need be.
      resume_step: the step the run goes on from; rows of later steps, and of the test, which ends
        a run, are removed first, so that they are not there twice. None: a new run, without rows.
      warn: is told, once, where TensorBoard's files cannot be written.

    Raises:
      UserError: the folder cannot be written; so do all methods.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        resume_step: int | None,
        warn: Callable[[str], None] = lambda _: None,
    ):
        self.workdir = Path(workdir)
        last = -1 if resume_step is None else resume_step
        with writing_to(self.workdir):
            self.workdir.mkdir(parents=True, exist_ok=True)
            there = resume_step is not None and (self.workdir / "metrics.jsonl").exists()
            self._rows = rows_until(read_metrics(self.workdir), last) if there else []
            self._columns = _columns_of(self._rows)
            write_text(self.workdir / "metrics.jsonl", "".join(map(json_line, self._rows)))
            self._rewrite_csv()
            self._jsonl = open(self.workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
            self._events = open_events(self.workdir / "tensorboard", last + 1, warn)

    def write(self, row: Row) -> None:
        """Adds a row: "step", "epoch", "split" and numbers; it is on disk on return.

        A number that is not finite is written as null, empty in the CSV, and not sent to
        TensorBoard.
        """
        row = to_json(row)
        self._rows.append(row)
        with writing_to(self.workdir):
            self._jsonl.write(json_line(row))
            self._jsonl.flush()
            self._append_csv(row)
            self._events.write(row)

    def digest(self) -> str:
        """Return what tells these rows from others; they are on the disk itself on return."""
        with writing_to(self.workdir):
            os.fsync(self._jsonl.fileno())
        return digest_of(self._rows)

    def close(self) -> None:
        """Closes the files."""
        with writing_to(self.workdir):
            self._jsonl.close()
            self._events.close()

    def _append_csv(self, row: Row) -> None:
        columns = _columns_of([*self._rows, row])
        if columns != self._columns:  # a new column moves all the others
            self._columns = columns
            self._rewrite_csv()
            return
        with open(self.workdir / "metrics.csv", "a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _rewrite_csv(self) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, self._columns)
        table.writeheader()
        table.writerows(self._rows)
        write_text(self.workdir / "metrics.csv", text.getvalue())


class NoWriter:
    """What stands in for the metrics' writer where another process writes them."""

    def write(self, row: Row) -> None:
        """Does nothing."""

    def digest(self) -> str:
        """Returns nothing to tell."""
        return ""

    def close(self) -> None:
        """Does nothing."""


def _columns_of(rows: list[Row]) -> list[str]:
    """The usual columns, then others in order of appearance."""
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))

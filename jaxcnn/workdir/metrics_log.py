"""The metrics of a run: one row per epoch and split.

`metrics.jsonl` is the record, one row per line. It stays readable if the run is killed at any
moment. `metrics.csv` and the TensorBoard events mirror it.
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
    """Return the rows of a run, in order, without a half-written last line.

    Raises:
      UserError: the folder has no metrics, or a line is damaged.
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
            if index == len(lines) - 1 and not isinstance(error, Wrong):  # half-written
                break
            where = f"{path}: line {index + 1}"
            raise UserError(f"{where} is not a row of metrics ({error})") from error
        rows.append(row)
    return rows


def read_checked_metrics(workdir: Path, result: Mapping[str, Any] | None) -> list[Row]:
    """Return the rows of a run, checked against its result or, without one, its newest checkpoint.

    Args:
      workdir: the run's folder.
      result: the content of `result.json`; None before the run has ended.

    Raises:
      UserError: the rows are not those of the result or checkpoint, the checkpoint is of another
        run, or `read_metrics` raises it.
    """
    rows = read_metrics(workdir)
    if result is not None:
        _check_result(workdir, rows, result)
    elif steps := checkpoint_steps(workdir):
        _check_checkpoint(workdir, rows, steps[-1])
    return rows


def _check_result(workdir: Path, rows: list[Row], result: Mapping[str, Any]) -> None:
    digest = result.get("metrics_digest")
    if not digest:  # of older code
        return
    tested = [row["accuracy"] for row in rows if row["split"] == "test" and "accuracy" in row]
    if tested and tested[-1] != result.get("test_accuracy"):
        raise UserError(
            f"{workdir / 'result.json'}: its test_accuracy is not the one in metrics.jsonl"
        )
    _check_digest(workdir, rows, digest, "result.json")


def _check_checkpoint(workdir: Path, rows: list[Row], step: int) -> None:
    try:
        progress = read_progress(workdir, step)
    except OtherRun:
        raise
    except UserError:  # the rows are sound even if the checkpoint is damaged
        return
    if digest := progress.get("metrics_digest"):
        saved = rows_saved_with(rows, step, progress.get("epochs", math.inf))
        _check_digest(workdir, saved, digest, f"checkpoint {step}")


def _check_digest(workdir: Path, rows: list[Row], digest: str, writer: str) -> None:
    if digest != digest_of(rows):
        raise UserError(
            f"{workdir / 'metrics.jsonl'}: is not the one that {writer} was written with"
        )


def json_line(row: Row) -> str:
    """Return the line of `metrics.jsonl` for a row."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def rows_until(rows: Iterable[Row], step: float) -> list[Row]:
    """Return the rows that a run had at a checkpoint of `step`; those of the test come later."""
    return [row for row in rows if row["step"] <= step and row["split"] != "test"]


def rows_saved_with(rows: Iterable[Row], step: float, epochs: float) -> list[Row]:
    """Return the rows that a checkpoint was written with.

    A run that ends within an epoch saves before it writes the rows of that part.

    Args:
      rows: of `metrics.jsonl`.
      step: the checkpoint's.
      epochs: finished epochs at the checkpoint.
    """
    return [row for row in rows_until(rows, step) if row["epoch"] <= epochs]


def digest_of(rows: Iterable[Row]) -> str:
    """Return the digest of rows, 32 hexadecimal digits, without those of the test."""
    lines = (json_line(row) for row in rows_until(rows, math.inf))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def check_metrics(workdir: Path, step: int, digest: str, epochs: int) -> None:
    """Check that `metrics.jsonl` has the rows that a checkpoint was written with.

    Args:
      workdir: the run's folder.
      step: the checkpoint's.
      digest: the digest of the rows in the checkpoint; "" for a checkpoint of older code.
      epochs: finished epochs at the checkpoint.

    Raises:
      UserError: the file is missing, damaged, edited, or of another run.
    """
    path = workdir / "metrics.jsonl"
    rows = read_metrics(workdir) if os.path.lexists(path) else []
    rows = rows_saved_with(rows, step, epochs)
    last_epoch = max((row["epoch"] for row in rows), default=0)
    if last_epoch != epochs or (digest and digest != digest_of(rows)):
        fault = "is not the one" if path.exists() else "is missing, and was there"
        raise UserError(
            f"{path}: {fault} that {workdir / 'checkpoints' / str(step)} was written with; bring "
            "it back, or start another --workdir with --init_from, which takes over the weights"
        )


COLUMNS = (
    "step", "epoch", "split", "loss", "accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip


class MetricsWriter:
    """Appends rows to the metrics of a run.

    All methods raise `UserError` if the folder cannot be written.

    Args:
      workdir: the run's folder; made if missing.
      resume_step: the last step whose rows stay; rows of later steps and of the test are removed,
        because the run writes them again. None for a new run, which has no rows.
      warn: called with one line if TensorBoard's files cannot be written.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        resume_step: int | None,
        warn: Callable[[str], None] = lambda _: None,
    ):
        self.workdir = Path(workdir)
        last_step = -1 if resume_step is None else resume_step
        with writing_to(self.workdir):
            self.workdir.mkdir(parents=True, exist_ok=True)
            has_rows = resume_step is not None and (self.workdir / "metrics.jsonl").exists()
            self._rows = rows_until(read_metrics(self.workdir), last_step) if has_rows else []
            self._columns = _columns_of(self._rows)
            write_text(self.workdir / "metrics.jsonl", "".join(map(json_line, self._rows)))
            self._rewrite_csv()
            self._jsonl = open(self.workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
            self._events = open_events(self.workdir / "tensorboard", last_step + 1, warn)

    def write(self, row: Row) -> None:
        """Append a row; the files hold it on return.

        A number that is not finite becomes null in the JSON and empty in the CSV, and TensorBoard
        does not get it.

        Args:
          row: "step", "epoch", "split" and numbers by name.
        """
        row = to_json(row)
        self._rows.append(row)
        with writing_to(self.workdir):
            self._jsonl.write(json_line(row))
            self._jsonl.flush()
            self._append_csv(row)
            self._events.write(row)

    def digest(self) -> str:
        """Return the digest of all rows, which are synced to the disk first; see `digest_of`."""
        with writing_to(self.workdir):
            os.fsync(self._jsonl.fileno())
        return digest_of(self._rows)

    def close(self) -> None:
        """Close the files."""
        with writing_to(self.workdir):
            self._jsonl.close()
            self._events.close()

    def _append_csv(self, row: Row) -> None:
        columns = _columns_of(self._rows)
        if columns != self._columns:  # a new column changes every row
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
    """Stand-in for `MetricsWriter` where another process of the group writes the metrics."""

    def write(self, row: Row) -> None:
        """Drop a row."""

    def digest(self) -> str:
        """Return no digest."""
        return ""

    def close(self) -> None:
        """Do nothing."""


def _columns_of(rows: list[Row]) -> list[str]:
    """Return the usual columns, then others in order of appearance."""
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))

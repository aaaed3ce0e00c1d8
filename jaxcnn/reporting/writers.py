"""What a run writes to its workdir, so that killing it at any moment leaves it readable.

`metrics.jsonl` is the record: a line per evaluation. `metrics.csv` and the TensorBoard events
mirror it for spreadsheets and for eyes.
"""

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError

Row = dict[str, Any]
COLUMNS = (
    "step", "epoch", "split", "loss", "accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip
_LABELS = ("step", "epoch", "split")  # the rest of a row are numbers to plot


class MetricsWriter:
    """Appends rows to the metrics of a run.

    Args:
      workdir: the run's folder, made if need be.
      resume_step: the step the run goes on from; rows of later steps, and of the test, which ends
        a run, are removed first, so that they are not there twice. None: a new run, without rows.

    Raises:
      UserError: the folder cannot be written; so do all methods.
    """

    def __init__(self, workdir: str | Path, *, resume_step: int | None):
        self.workdir = Path(workdir)
        last = -1 if resume_step is None else resume_step
        with _writing_to(self.workdir):
            self.workdir.mkdir(parents=True, exist_ok=True)
            rows = _rows_in(self.workdir / "metrics.jsonl")
            self._rows = [r for r in rows if r["step"] <= last and r["split"] != "test"]
            self._columns = _columns_of(self._rows)
            write_text(self.workdir / "metrics.jsonl", "".join(map(_json_line, self._rows)))
            self._rewrite_csv()
            self._jsonl = open(self.workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
            self._events = _Events(self.workdir / "tensorboard", purge_step=last + 1)

    def write(self, row: Row) -> None:
        """Adds a row: "step", "epoch", "split" and numbers; it is on disk on return.

        A number that is not finite is written as null, empty in the CSV, and not sent to
        TensorBoard.
        """
        row = _to_json(row)
        self._rows.append(row)
        with _writing_to(self.workdir):
            self._jsonl.write(_json_line(row))
            self._jsonl.flush()
            self._append_csv(row)
            self._events.write(row)

    def close(self) -> None:
        """Closes the files."""
        with _writing_to(self.workdir):
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
    """Stands in for `MetricsWriter` where another process writes."""

    def write(self, row: Row) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class _Events:
    """TensorBoard events, written at once: tags like "train/loss"."""

    def __init__(self, folder: Path, *, purge_step: int):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(exist_ok=True)
        self._event = Event
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}.{purge_step}")
        start = SessionLog(status=SessionLog.START)  # hides what came at this step or later
        self._writer.write_event(Event(step=purge_step, session_log=start))
        self._writer.flush()

    def write(self, row: Row) -> None:
        from tensorboardX.summary import scalar

        for name, value in row.items():
            if name not in _LABELS and isinstance(value, (int, float)):
                summary = scalar(f"{row['split']}/{name}", value)
                self._writer.write_event(self._event(step=row["step"], summary=summary))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def read_metrics(workdir: str | Path) -> list[Row]:
    """The rows of a run, in order. A line that is not whole is left out; null is None.

    Raises:
      UserError: there are no metrics in the folder.
    """
    path = Path(workdir) / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"{path} is not there: {workdir} is not the folder of a run")
    return _rows_in(path)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON through a temporary file, so that `path` is always whole: old or new.

    Raises:
      UserError: it cannot be written.
    """
    write_text(Path(path), json.dumps(_to_json(value), indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
      UserError: it is not there, or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error})") from error


def write_text(path: Path, text: str) -> None:
    """Writes a file through a temporary one beside it, so that `path` is always whole.

    Raises:
      UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _writing_to(path):
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _writing_to(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _rows_in(path: Path) -> list[Row]:
    """The whole lines of `metrics.jsonl`; none where there is no such file."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and row.keys() >= set(_LABELS)]


def _columns_of(rows: list[Row]) -> list[str]:
    """The usual columns, then others in order of appearance."""
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))


def _json_line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _to_json(value: Any) -> Any:
    """Plain values for JSON: NumPy scalars and arrays unpacked, null for what is not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _to_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value

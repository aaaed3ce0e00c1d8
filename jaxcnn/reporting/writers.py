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
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.reporting.reading import read_json
from jaxcnn.reporting.run_files import Row, digest_of, json_line, read_metrics, rows_until
from jaxcnn.reporting.run_tables import LABELS

__all__ = [
    "COLUMNS", "MetricsWriter", "NoWriter", "Row", "read_json", "read_metrics", "write_bytes",
    "write_json", "write_text",
]  # fmt: skip
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
        with _writing_to(self.workdir):
            self.workdir.mkdir(parents=True, exist_ok=True)
            there = resume_step is not None and (self.workdir / "metrics.jsonl").exists()
            self._rows = rows_until(read_metrics(self.workdir), last) if there else []
            self._columns = _columns_of(self._rows)
            write_text(self.workdir / "metrics.jsonl", "".join(map(json_line, self._rows)))
            self._rewrite_csv()
            self._jsonl = open(self.workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
            self._events = _open_events(self.workdir / "tensorboard", last + 1, warn)

    def write(self, row: Row) -> None:
        """Adds a row: "step", "epoch", "split" and numbers; it is on disk on return.

        A number that is not finite is written as null, empty in the CSV, and not sent to
        TensorBoard.
        """
        row = _to_json(row)
        self._rows.append(row)
        with _writing_to(self.workdir):
            self._jsonl.write(json_line(row))
            self._jsonl.flush()
            self._append_csv(row)
            self._events.write(row)

    def digest(self) -> str:
        """Return what tells these rows from others; they are on the disk itself on return."""
        with _writing_to(self.workdir):
            os.fsync(self._jsonl.fileno())
        return digest_of(self._rows)

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
    """What stands in for the metrics' writer where another process writes them."""

    def write(self, row: Row) -> None:
        """Does nothing."""

    def digest(self) -> str:
        """Returns nothing to tell."""
        return ""

    def close(self) -> None:
        """Does nothing."""


def _open_events(
    folder: Path, purge_step: int, warn: Callable[[str], None]
) -> "_Events | _NoEvents":
    """Opens the TensorBoard events; a package that does not load does not end the run."""
    try:
        with _without_modules("torch", "comet_ml"):  # tensorboardX loads them, if they are there
            import tensorboardX.event_file_writer
            import tensorboardX.summary  # noqa: F401
    except Exception as error:  # a broken package may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        warn(f"tensorboardX does not load ({reason}): there will be no files for TensorBoard")
        return _NoEvents()
    return _Events(folder, purge_step=purge_step)


@contextlib.contextmanager
def _without_modules(*names: str) -> Iterator[None]:
    """While entered, imports find no such packages, unless they are loaded already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _NoEvents:
    """What stands in for the events where they cannot be written."""

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
            if name not in LABELS and isinstance(value, (int, float)):
                summary = scalar(f"{row['split']}/{name}", value)
                self._writer.write_event(self._event(step=row["step"], summary=summary))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON through a temporary file, so that `path` is always whole: old or new.

    Raises:
      UserError: it cannot be written.
    """
    write_text(Path(path), json.dumps(_to_json(value), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file through a temporary one beside it, so that `path` is always whole.

    A link at its place is replaced, not followed.

    Raises:
      UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _writing_to(path):
            temporary.write_bytes(content)
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


def _columns_of(rows: list[Row]) -> list[str]:
    """The usual columns, then others in order of appearance."""
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))


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

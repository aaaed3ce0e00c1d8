"""TensorBoard events that mirror `metrics.jsonl`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxcnn.text import one_line
from jaxcnn.workdir.schemas import LABELS, Row


def open_events(
    folder: Path, purge_step: int, warn: Callable[[str], None]
) -> "_Events | _NoEvents":
    """Open the TensorBoard events; without tensorboardX, warn and drop all rows.

    Args:
      folder: the folder of the event files; made if missing.
      purge_step: TensorBoard hides earlier events of this step and later ones.
      warn: called with one line if tensorboardX cannot be imported.
    """
    try:
        with _without_modules("torch", "comet_ml"):  # it imports them if they are installed
            import tensorboardX.event_file_writer
            import tensorboardX.summary  # noqa: F401
    except Exception as error:  # a broken package may raise anything
        reason = one_line(error)[:200]
        warn(f"tensorboardX does not load ({reason}): no files for TensorBoard are written")
        return _NoEvents()
    return _Events(folder, purge_step=purge_step)


@contextlib.contextmanager
def _without_modules(*names: str) -> Iterator[None]:
    """Make imports of the packages fail within the block, unless they are already loaded."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # ty: ignore[invalid-assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _NoEvents:
    """Stand-in for `_Events` that drops all rows."""

    def write(self, row: Row) -> None:
        """Drop a row."""

    def close(self) -> None:
        """Do nothing."""


class _Events:
    """TensorBoard events with tags such as "train/loss"; each row is flushed."""

    def __init__(self, folder: Path, *, purge_step: int):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(exist_ok=True)
        self._event = Event
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}.{purge_step}")
        start = SessionLog(status=SessionLog.START)
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

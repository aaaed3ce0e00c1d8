"""TensorBoard events that mirror `metrics.jsonl`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxcnn.workdir.run_tables import LABELS, Row


def open_events(
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

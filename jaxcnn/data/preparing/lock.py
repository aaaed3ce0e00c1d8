"""Writing a dataset: one process at a time, which first repairs what a killed one left."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from jaxcnn.data.places import Place
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.data.preparing.versions import is_in_use, release
from jaxcnn.errors import UserError
from jaxcnn.files.locks import FolderLock


@contextlib.contextmanager
def writing(place: Place, report: Reporter) -> Iterator[Path]:
    """Wait for the lock of a place, and yield an empty directory for writing, on the same disk.

    Raises:
      UserError: the disk is full, or the directory cannot be written.
    """
    parent = place.directory.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _held(FolderLock(parent), report):
            _repair(place)
            try:
                (parent / ".new").mkdir()
                yield parent / ".new"
            finally:
                _repair(place)
    except OSError as error:
        raise UserError(f"{place.name} cannot be written to {parent}: {error}") from error


@contextlib.contextmanager
def _held(lock: FolderLock, report: Reporter) -> Iterator[None]:
    try:
        lock.acquire(timeout=1)
    except filelock.Timeout:
        report.say("another process is preparing it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def replace(place: Place, written: Path) -> None:
    """Replace the prepared dataset of a place by a newly written directory.

    Raises:
      UserError: another process reads the prepared dataset.
    """
    if place.directory.is_dir():
        if is_in_use(place.directory):
            raise UserError(
                f"{place.directory} cannot be replaced while a run reads it: try again when the "
                "run is over, or name another --data_dir"
            )
        release(place.directory)
        place.directory.rename(_old(place))
    written.rename(place.directory)


def _repair(place: Place) -> None:
    """Bring back a dataset that was only half replaced, and remove leftovers."""
    if _old(place).is_dir() and not place.directory.is_dir():
        _old(place).rename(place.directory)
    shutil.rmtree(_old(place), ignore_errors=True)
    shutil.rmtree(place.directory.parent / ".new", ignore_errors=True)


def _old(place: Place) -> Path:
    return place.directory.parent / ".old"

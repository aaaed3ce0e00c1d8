"""One process at a time writes a dataset; what a killed one left is mended by the next."""

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
    """Waits for its turn; yields an empty directory, on the dataset's disk, to write to.

    Raises:
      UserError: the disk is full, or the directory cannot be written.
    """
    parent = place.directory.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _turn(FolderLock(parent), report):
            _mend(place)
            try:
                (parent / ".new").mkdir()
                yield parent / ".new"
            finally:
                _mend(place)
    except OSError as error:
        raise UserError(f"{place.name} cannot be written to {parent}: {error}") from error


@contextlib.contextmanager
def _turn(lock: FolderLock, report: Reporter) -> Iterator[None]:
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
    """Puts a directory that was written in the place of the prepared dataset.

    Raises:
      UserError: another process reads the prepared one.
    """
    if place.directory.is_dir():
        if is_in_use(place.directory):
            raise UserError(
                f"{place.directory} is read by a run, and would be replaced under it: try again "
                "when the run is over, or give another --data_dir"
            )
        release(place.directory)
        place.directory.rename(_old(place))
    written.rename(place.directory)


def _mend(place: Place) -> None:
    if _old(place).is_dir() and not place.directory.is_dir():
        _old(place).rename(place.directory)
    shutil.rmtree(_old(place), ignore_errors=True)
    shutil.rmtree(place.directory.parent / ".new", ignore_errors=True)


def _old(place: Place) -> Path:
    return place.directory.parent / ".old"

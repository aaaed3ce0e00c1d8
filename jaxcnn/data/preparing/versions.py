"""Prepared versions that processes read: none is replaced or removed under them."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from jaxcnn.data.places import Place

_KEPT = 3  # versions of one folder of images in one size, the newest
_held: dict[Path, int] = {}  # by directory the file whose lock tells that this process reads it


def hold(directory: Path) -> bool:
    """Mark a prepared dataset as read by this process, as long as it lives.

    Returns:
      Whether the dataset is there: another process may have removed it just before.
    """
    if directory in _held:
        return directory.is_dir()
    try:
        descriptor = os.open(_marker(directory), os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        return False
    except OSError:  # a read-only disk: nobody replaces anything there
        return True
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _held[directory] = descriptor
    return directory.is_dir()


def is_in_use(directory: Path) -> bool:
    """Return whether another process reads a prepared dataset.

    What this process has read it keeps, whatever becomes of the files.
    """
    if not _marker(directory).exists():
        return False
    descriptor = _held.get(directory)
    with contextlib.ExitStack() as stack:
        if descriptor is None:
            descriptor = stack.enter_context(open(_marker(directory))).fileno()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return False


def release(directory: Path) -> None:
    """Forget that this process reads a directory, which is about to be replaced."""
    descriptor = _held.pop(directory, None)
    if descriptor is not None:
        os.close(descriptor)


def remove_old_versions(place: Place) -> None:
    """Remove versions of a folder of images that are neither new nor read by a process."""
    pattern = f"{place.all_versions}-*"
    versions = [path for path in place.directory.parents[1].glob(pattern) if path.is_dir()]
    versions.sort(key=lambda path: path.stat().st_mtime)
    for path in versions[:-_KEPT]:
        directory = path / place.directory.name
        if directory not in _held and not is_in_use(directory):
            shutil.rmtree(path, ignore_errors=True)


def _marker(directory: Path) -> Path:
    return directory / ".in_use"

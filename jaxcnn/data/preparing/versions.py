"""Prepared versions in use: none is replaced or removed while a process reads it."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from jaxcnn.data.places import Place

_KEPT = 3  # newest versions of a folder of images in one size
_held: dict[Path, int] = {}  # descriptors of locked marker files, by directory


def hold(directory: Path) -> bool:
    """Mark a prepared dataset as read by this process until the process ends.

    Returns:
      Whether the dataset exists: another process may have just removed it.
    """
    if directory in _held:
        return directory.is_dir()
    try:
        descriptor = os.open(_marker(directory), os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        return False
    except OSError:  # a read-only disk, where nothing is replaced
        return True
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # others hold LOCK_EX for a moment only
    _held[directory] = descriptor
    return directory.is_dir()


def is_in_use(directory: Path) -> bool:
    """Return whether another process reads a prepared dataset.

    This process does not count: it keeps the files that it has mapped, even if they are removed.
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
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # the attempt released the lock
            return True
        except OSError:  # a file system without locks
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return False


def release(directory: Path) -> None:
    """Remove this process's mark from a directory, which is about to be replaced."""
    descriptor = _held.pop(directory, None)
    if descriptor is not None:
        os.close(descriptor)


def remove_old_versions(place: Place) -> None:
    """Remove the versions of a folder of images that are neither among the newest nor in use."""
    pattern = f"{place.version_prefix}-*"
    versions = [path for path in place.directory.parents[1].glob(pattern) if path.is_dir()]
    versions.sort(key=lambda path: path.stat().st_mtime)
    for path in versions[:-_KEPT]:
        directory = path / place.directory.name
        if directory not in _held and not is_in_use(directory):
            shutil.rmtree(path, ignore_errors=True)


def _marker(directory: Path) -> Path:
    return directory / ".in_use"

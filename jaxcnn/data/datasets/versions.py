"""Prepared versions that processes read: none is replaced or removed under them."""

import contextlib
import os
import shutil
from pathlib import Path

from jaxcnn.data.datasets import Place

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

_KEPT = 3  # versions of one folder of images in one size, the newest
_held: dict[Path, int] = {}  # by directory the file whose lock tells that this process reads it


def hold(directory: Path) -> bool:
    """Mark a prepared dataset as read by this process, as long as it lives.

    Returns:
      Whether the dataset is there: another process may have removed it just before.
    """
    if fcntl is None or directory in _held:
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
    """Return whether any process, this one included, reads a prepared dataset."""
    if directory in _held:
        return True
    if fcntl is None or not _marker(directory).exists():
        return False
    with open(_marker(directory)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def remove_old_versions(place: Place) -> None:
    """Remove versions of a folder of images that are neither new nor read by a process."""
    pattern = f"{place.all_versions}-*"
    versions = [path for path in place.directory.parents[1].glob(pattern) if path.is_dir()]
    versions.sort(key=lambda path: path.stat().st_mtime)
    for path in versions[:-_KEPT]:
        if not is_in_use(path / place.directory.name):
            shutil.rmtree(path, ignore_errors=True)


def _marker(directory: Path) -> Path:
    return directory / ".in_use"

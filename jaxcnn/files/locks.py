"""Locks of folders: one process at a time writes to a folder."""

import fcntl
import os
import time
from pathlib import Path

import filelock

from jaxcnn.errors import UserError

_SECONDS_BETWEEN_TRIES = 0.05


class FolderLock:
    """The lock of a folder, held from `acquire` to `release` or the end of the process.

    It locks the folder itself, which nobody deletes by mistake, and the file `.lock` in it, for
    file systems that cannot lock folders, such as NFS.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._file = filelock.FileLock(folder / ".lock")
        self._descriptor: int | None = None  # of the locked folder

    def acquire(self, timeout: float = -1) -> None:
        """Take the lock.

        Args:
          timeout: seconds to wait for another process; -1 waits as long as it takes.

        Raises:
          filelock.Timeout: another process holds the lock.
          OSError: the folder cannot be opened, or written to.
        """
        end = time.monotonic() + timeout
        self._file.acquire(timeout)
        try:
            while not self._lock_folder():
                if timeout >= 0 and end <= time.monotonic():
                    raise filelock.Timeout(str(self._folder))
                time.sleep(_SECONDS_BETWEEN_TRIES)
            self._held = self._identity()
        except BaseException:
            self.release()
            raise

    def _lock_folder(self) -> bool:
        """Lock the folder, if that is possible; return False if another process holds the lock."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            return not isinstance(error, BlockingIOError)
        self._descriptor = descriptor
        return True

    def _identity(self) -> tuple[int, int]:
        """Return device and inode of the locked folder, or of `.lock` if only that is locked."""
        locked = self._folder / ".lock" if self._descriptor is None else self._folder
        status = locked.stat()
        return status.st_dev, status.st_ino

    def check(self) -> None:
        """Check that the folder's path still leads to the locked folder.

        Raises:
          UserError: the folder, or `.lock` if only that is locked, was deleted or replaced.
        """
        try:
            is_held = self._identity() == self._held
        except OSError:
            is_held = False
        if not is_held:
            name = "its .lock" if self._descriptor is None else "the folder"
            raise UserError(
                f"{self._folder}: {name} was deleted, moved or replaced while this process wrote "
                "to it; another process may be writing there now"
            )

    def left_by(self) -> str:
        """Return the process that `.lock` names, as in `process 12 on host3`; "" for none.

        On a file system that cannot lock at all, the file is the lock, and a process that is killed
        leaves it.
        """
        try:
            words = (self._folder / ".lock").read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return ""
        return f"process {words[0]} on {words[1]}" if len(words) > 1 else ""

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._file.release()

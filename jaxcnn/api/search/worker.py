"""The processes that work in a search's folder, and the locks by which they know each other."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from jaxcnn.files.locks import FolderLock

_WORKERS = "workers"


class Worker:
    """A process that works in a search's folder; each living one has a number of its own.

    A lock holds the number. A process that takes the number of a dead one also takes up its trials.

    Args:
      workdir: the search's folder.
      folder_id: the folder's identity; processes may share a study from several folders.
    """

    def __init__(self, workdir: Path, folder_id: str):
        self._workdir, self._folder_id = workdir, folder_id
        self._number, self._lock = self._take_number()

    @property
    def name(self) -> str:
        """The folder's identity and the number."""
        return f"{self._folder_id}/{self._number}"

    def _take_number(self) -> tuple[int, FolderLock]:
        number = 0
        while (lock := self._try_lock(number)) is None:
            number += 1
        return number, lock

    def _try_lock(self, number: int) -> FolderLock | None:
        """Return the lock of a number; None if a living process holds it."""
        folder = self._workdir / _WORKERS / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return None
        return lock

    def is_gone(self, name: str) -> bool:
        """Return whether a name belongs to a process of this folder that has died."""
        folder_id, _, number = name.rpartition("/")
        if folder_id != self._folder_id or name == self.name:
            return False
        lock = self._try_lock(int(number))
        if lock is not None:
            lock.release()
        return lock is not None

    def close(self) -> None:
        """Give the number back."""
        self._lock.release()


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold the lock of a search's folder in the block; other processes wait for it."""
    lock = FolderLock(workdir)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()

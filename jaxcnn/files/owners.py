"""Files whose owner has no name, as in a container that runs under a uid of its own."""

import os
import stat

from etils.epath import backend, stat_utils


def allow_unknown_owners() -> None:
    """Let etils, through which Orbax and tfds look at files, leave out the names of their owners.

    It looks each of them up, and raises KeyError where the uid has no entry in passwd.
    """
    type(backend.os_backend).stat = _stat  # ty: ignore[invalid-assignment]


def _stat(_: backend.Backend, path: str | os.PathLike) -> stat_utils.StatResult:
    status = os.stat(path)
    return stat_utils.StatResult(
        is_directory=stat.S_ISDIR(status.st_mode),
        length=status.st_size,
        mtime=int(status.st_mtime),
        mode=status.st_mode,
    )

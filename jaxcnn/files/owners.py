"""Files whose owner has no name, as in a container that runs under an arbitrary uid."""

import functools
import os
import stat
from collections.abc import Callable

from etils.epath import backend, stat_utils


@functools.cache
def allow_unknown_owners() -> None:
    """Let etils read the status of files whose owner or group has no name.

    Orbax and tfds read files through etils, which raises KeyError for a uid without an entry in
    passwd. With this call it leaves out the names in that case, and works as before in all others.
    The patch holds for the process, so the functions that start Orbax or tfds call it, and no
    import does.
    """
    os_backend = type(backend.os_backend)
    os_backend.stat = _with_unknown_owners(os_backend.stat)  # ty: ignore[invalid-assignment]


def _with_unknown_owners(original: Callable) -> Callable:
    def read_status(self: backend.Backend, path: str | os.PathLike) -> stat_utils.StatResult:
        try:
            return original(self, path)
        except KeyError:
            status = os.stat(path)
            return stat_utils.StatResult(
                is_directory=stat.S_ISDIR(status.st_mode),
                length=status.st_size,
                mtime=int(status.st_mtime),
                mode=status.st_mode,
            )

    return read_status

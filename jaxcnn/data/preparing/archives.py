"""Reading archives without trusting them: bounded in size, unpacked in memory only."""

import contextlib
import gzip
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jaxcnn.errors import UserError
from jaxcnn.text import join_names, one_line

# the bytes that a file may unpack to: three times the size of the largest published file
MAX_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"  # a file's first bytes


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn any exception of the block into a `UserError` that names the file.

    Parsers raise all sorts of exceptions on a damaged file, so all of them are caught.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = one_line(error)[:200]
        raise UserError(f"{path}: damaged, or not in the publisher's format: {text}") from error


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds; `refusing` adds the file's name."""
    if not condition:
        raise ValueError(message)


class _Bounded:
    """A stream of at most MAX_BYTES, because a small file can unpack to terabytes."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        require(self._left >= 0, f"it unpacks to more than {MAX_BYTES >> 20} MiB")
        return data


def read_file(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is a gzip file.

    Raises:
      UserError: the file is damaged, or has more than MAX_BYTES.
    """
    with refusing(path), _opened(path) as stream:
        return _Bounded(stream).read()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Open a file, and unpack it if its content is gzip.

    Its name does not tell, because browsers unpack files and keep their names.
    """
    with open(path, "rb") as packed:
        if packed.peek(2)[:2] != _GZIP:
            yield packed
            return
        with gzip.open(packed) as stream:
            yield stream


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Return the named files of a tar archive, or of the folder that it was unpacked to.

    The archive may be packed by gzip. Nothing is unpacked to disk.

    Raises:
      UserError: a file is missing or comes twice, a path leads out of the archive, or the archive
        holds a link, a device or a sparse file.
    """
    if path.is_dir():
        members = {name: read_file(path / name) for name in names if (path / name).is_file()}
    else:
        with refusing(path):
            members = _read_tar(path, names)
    missing = [name for name in names if name not in members]
    if missing:
        raise UserError(f"{path}: it holds no {', '.join(missing)}")
    return members


def _read_tar(path: Path, names: Collection[str]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with _opened(path) as unpacked:
        stream = _Bounded(unpacked)
        # typeshed asks for a file that can also be written
        with tarfile.open(fileobj=stream, mode="r|") as archive:  # ty: ignore[no-matching-overload]
            for member in archive:
                _check_member(member)
                name = PurePosixPath(member.name).name
                if member.isfile() and name in names:
                    require(name not in members, f"it holds {name} twice")
                    members[name] = archive.extractfile(member).read()
        while stream.read(1 << 20):  # on to the end, where gzip compares its checksum
            pass
    return members


def _check_member(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    leads_out = path.is_absolute() or ".." in path.parts
    require(not leads_out, f"the path {member.name!r} leads out of the archive")
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    require(is_plain and not member.sparse, f"{member.name!r} is neither a plain file nor a folder")
    require(member.size <= MAX_BYTES, f"{member.name!r} is larger than {MAX_BYTES >> 20} MiB")


def pick(files: Mapping[str, Path], *names: str) -> tuple[str, Path]:
    """Return the first of the names that is among the files, and its path.

    Raises:
      UserError: none of the names is.
    """
    for name in names:
        if name in files:
            return name, files[name]
    folder = next(iter(files.values())).parent if files else "the folder"
    present = join_names([path.name for path in files.values()])
    raise UserError(f"{folder} holds no {' and no '.join(names)}, but {present}")

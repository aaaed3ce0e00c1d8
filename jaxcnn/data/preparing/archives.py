"""Reading publishers' files without trusting them: bounded, in place, refused with one line."""

import contextlib
import gzip
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jaxcnn.data.datasets.folder_listing import join
from jaxcnn.errors import UserError

# Of one file, unpacked: three times the largest of the published ones.
MAX_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"  # a file's first bytes


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong while `path` is read into one line that names it.

    Parsers raise all sorts of exceptions on a file that is not what it says it is, so all of
    them are caught: what breaks here is the file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: damaged, or not in the publisher's format: {text}") from error


def require(condition: bool, message: str) -> None:
    """Raises ValueError(message) unless the condition holds; `refusing` adds the file's name."""
    if not condition:
        raise ValueError(message)


class _Bounded:
    """A stream that refuses to give more than MAX_BYTES: small files can unpack to terabytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        require(self._left >= 0, f"it unpacks to more than {MAX_BYTES >> 20} MiB")
        return data


def read_file(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is gzip's; at most MAX_BYTES."""
    with refusing(path), _opened(path) as stream:
        return _Bounded(stream).read()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file, unpacked if it is gzip's; browsers unpack some without a change of name."""
    with open(path, "rb") as packed:
        if packed.peek(2)[:2] != _GZIP:
            yield packed
            return
        with gzip.open(packed) as stream:
            yield stream


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """The files `names` of a tar, packed by gzip or not, or of the directory it was unpacked to.

    Nothing is unpacked to disk. Raises UserError where one is missing or comes twice, where a
    path climbs out, or where there is a link, a device or a sparse file.
    """
    if path.is_dir():
        found = {name: read_file(path / name) for name in names if (path / name).is_file()}
    else:
        with refusing(path):
            found = _read_tar(path, names)
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"{path}: it holds no {', '.join(missing)}")
    return found


def _read_tar(path: Path, names: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with _opened(path) as unpacked:
        stream = _Bounded(unpacked)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _check_member(member)
                name = PurePosixPath(member.name).name
                if member.isfile() and name in names:
                    require(name not in found, f"it holds {name} twice")
                    found[name] = archive.extractfile(member).read()
        while stream.read(1 << 20):  # to the end, where gzip's checksum is
            pass
    return found


def _check_member(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    climbs = path.is_absolute() or ".." in path.parts
    require(not climbs, f"the path {member.name!r} leads out of the archive")
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    require(plain and not member.sparse, f"{member.name!r} is neither a plain file nor a folder")
    require(member.size <= MAX_BYTES, f"{member.name!r} is larger than {MAX_BYTES >> 20} MiB")


def pick(files: Mapping[str, Path], *names: str) -> tuple[str, Path]:
    """The first of `names` that is there, and its path.

    Raises:
      UserError: none is.
    """
    for name in names:
        if name in files:
            return name, files[name]
    folder = next(iter(files.values())).parent if files else "the folder"
    there = join([path.name for path in files.values()])
    raise UserError(f"{folder} holds no {' and no '.join(names)}, but {there}")

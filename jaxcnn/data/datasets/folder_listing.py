"""What lies in a folder of pictures: folders, files that may be pictures, and texts about them."""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from jaxcnn.data.pictures.decoding import may_be_picture
from jaxcnn.errors import UserError

# Of files that describe pictures, or that a camera's program writes, and that lie beside them.
_TEXT_SUFFIXES = (
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".md", ".html", ".htm"),
    *(".log", ".ini", ".db", ".pdf", ".url", ".xmp", ".aae"),
)
_NAMED = 5  # names in a line


@dataclasses.dataclass(frozen=True)
class Listing:
    """What lies in a folder, sorted by name, without what systems leave behind.

    Attributes:
      path: of the folder.
      folders: their names, in UTF-8.
      pictures: the files that are pictures as far as their names tell.
      texts: the other files.
    """

    path: Path
    folders: tuple[str, ...]
    pictures: tuple[Path, ...]
    texts: tuple[Path, ...]

    def below(self, name: str) -> "Listing":
        """The listing of one of its folders."""
        return list_folder(self.path / name)


def list_folder(folder: Path) -> Listing:
    """Return what lies in a folder.

    Raises:
      UserError: it cannot be read, or holds a folder whose name is not in UTF-8.
    """
    try:
        with os.scandir(folder) as entries:
            kept = sorted(filter(may_be_picture, entries), key=lambda entry: entry.name)
            folders = [entry.name for entry in kept if _is_folder(entry)]
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error
    for name in folders:
        if not _is_utf8(name):
            raise UserError(f"{folder}: the name of its folder {name!a} is not in UTF-8")
    known = set(folders)
    files = [entry.name for entry in kept if entry.name not in known]
    texts = {name for name in files if name.casefold().endswith(_TEXT_SUFFIXES)}
    return Listing(
        path=folder,
        folders=tuple(folders),
        pictures=tuple(folder / name for name in files if name not in texts),
        texts=tuple(folder / name for name in files if name in texts),
    )


def changes_in(folder: Path, listed: Collection[str]) -> tuple[int, int]:
    """Return how many pictures a folder has that a list lacks, and how many it has no more.

    Args:
      listed: paths relative to the folder, with slashes. Where these lie is looked at.
    """
    places = {folder / path for path in {PurePosixPath(path).parent for path in listed}}
    found = [path for place in places if place.is_dir() for path in list_folder(place).pictures]
    there = {path.relative_to(folder).as_posix() for path in found}
    return len(there - set(listed)), len(set(listed) - there)


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder; a link to itself is none."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _is_utf8(name: str) -> bool:
    with contextlib.suppress(UnicodeEncodeError):  # of bytes that stand for themselves
        return bool(name.encode())
    return False


def join(names: Sequence[object]) -> str:
    """Return "a, b and c"; of many the first, and how many more there are."""
    shown = [str(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown.append(f"{len(names) - _NAMED:,} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))

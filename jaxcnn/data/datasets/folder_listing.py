"""Listings of a folder of pictures: folders, files that may be pictures, and other files."""

import contextlib
import dataclasses
import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from jaxcnn.data.pictures.decoding import is_text, may_be_picture
from jaxcnn.errors import UserError
from jaxcnn.files.paths import below


@dataclasses.dataclass(frozen=True)
class Listing:
    """The entries of a folder, sorted by name, without hidden ones and leftovers of systems.

    Attributes:
      path: of the folder.
      folders: names of its folders, in UTF-8.
      pictures: the files that may be pictures, by their names.
      texts: the other files.
    """

    path: Path
    folders: tuple[str, ...]
    pictures: tuple[Path, ...]
    texts: tuple[Path, ...]

    def below(self, name: str) -> "Listing":
        """Return the listing of one of its folders."""
        return list_folder(self.path / name)


def list_folder(folder: Path) -> Listing:
    """Return the listing of a folder.

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
    folder_names = set(folders)
    files = [entry.name for entry in kept if entry.name not in folder_names]
    texts = {name for name in files if is_text(name)}
    return Listing(
        path=folder,
        folders=tuple(folders),
        pictures=tuple(folder / name for name in files if name not in texts),
        texts=tuple(folder / name for name in files if name in texts),
    )


def changes_in(folder: Path, listed: Collection[str]) -> tuple[int, int]:
    """Return the numbers of added and of missing pictures, relative to a list.

    Args:
      folder: of the pictures.
      listed: paths relative to the folder, with slashes; only their own folders are searched.
    """
    parents = {folder / PurePosixPath(path).parent for path in listed}
    pictures = [path for place in parents if place.is_dir() for path in list_folder(place).pictures]
    present = {below(path, folder).as_posix() for path in pictures}
    return len(present - set(listed)), len(set(listed) - present)


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder; a link to itself is not."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _is_utf8(name: str) -> bool:
    with contextlib.suppress(UnicodeEncodeError):  # escaped bytes
        return bool(name.encode())
    return False

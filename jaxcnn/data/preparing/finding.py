"""Finding a publisher's files among the user's: packed or unpacked, in a folder or below it."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.errors import UserError
from jaxcnn.text import join_names

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


_LEVELS = 3  # levels of folders that are searched: FOLDER/MNIST/raw/*
_PACKED = (".tar.gz", ".tgz", ".tar", "-target.tar.gz", "-target_archive")  # Keras has the last two


def unpacked_name(name: str) -> str:
    """Return an archive's name without its suffix.

    The suffix varies: browsers unpack archives, and other programs rename them.
    """
    return next((name.removesuffix(end) for end in _PACKED[::-1] if name.endswith(end)), name)


def find_files(builder: type["ImageBuilder"], place: Path) -> dict[str, Path]:
    """Return the publisher's files by their published names; upper folders come first.

    Args:
      builder: of the dataset.
      place: a folder with the files, or with folders that have them; or an archive, or the folder
        that it was unpacked to.

    Raises:
      UserError: two folders have the same file.
    """
    files = _with_more(builder, [place], {})
    if place.is_file():
        is_enough = builder.needs_one_file or not files
        return files if is_enough else _with_more(builder, _children(place.parent), files)
    level = [place]
    for _ in range(_LEVELS):
        if files and builder.needs_one_file:
            break
        level = [path for folder in level if folder.is_dir() for path in _children(folder)]
        files = _with_more(builder, level, files)
    return files


def _with_more(
    builder: type["ImageBuilder"], paths: Iterable[Path], files: Mapping[str, Path]
) -> dict[str, Path]:
    """Return the files, and those of the paths that are further files of the publisher."""
    more: dict[str, Path] = {}
    for path in paths:
        name = builder.published_name(path)
        if not name or name in files:
            continue
        other = more.setdefault(name, path)
        if other.parent != path.parent:
            raise UserError(f"{other} and {path} are the same file: name the folder of one of them")
        if path.name == name:  # it is preferred to a renamed one
            more[name] = path
    return more | dict(files)


def _children(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def describe_content(place: Path) -> str:
    """Return the content of a place in words."""
    names = [
        path.name if path.is_file() or path.is_dir() else f"{path.name} (no ordinary file)"
        for path in _children(place)
    ]
    return f"it holds {join_names(names)}" if names else "it is empty"

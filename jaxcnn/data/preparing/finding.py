"""Finds a publisher's files where users have them: packed or unpacked, in a folder or below it."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.datasets.folder_listing import join
from jaxcnn.errors import UserError

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


_LEVELS = 3  # of folders that are searched: FOLDER/MNIST/raw/*
_PACKED = (".tar.gz", ".tgz", ".tar", "-target.tar.gz", "-target_archive")  # Keras has the last two


def unpacked_name(name: str) -> str:
    """Return an archive's name without what says that it is packed: a browser may have unpacked it,
    and others call it otherwise."""
    return next((name.removesuffix(end) for end in _PACKED[::-1] if name.endswith(end)), name)


def find_files(builder: type["ImageBuilder"], place: Path) -> dict[str, Path]:
    """Return the publisher's files by their published names. Those higher up come first.

    Args:
      builder: of the dataset.
      place: a folder with the files, or with folders that have them; an archive, or what it was
        unpacked to.

    Raises:
      UserError: a file is there in two folders.
    """
    found = _known(builder, [place], {})
    if place.is_file():
        is_enough = builder.needs_one_file or not found
        return found if is_enough else _known(builder, _children(place.parent), found)
    level = [place]
    for _ in range(_LEVELS):
        if found and builder.needs_one_file:
            break
        level = [path for folder in level if folder.is_dir() for path in _children(folder)]
        found = _known(builder, level, found)
    return found


def _known(
    builder: type["ImageBuilder"], paths: Iterable[Path], known: Mapping[str, Path]
) -> dict[str, Path]:
    """What is known already, and those of the paths that are other files of the publisher's."""
    found: dict[str, Path] = {}
    for path in paths:
        name = builder.published_name(path)
        if not name or name in known:
            continue
        other = found.setdefault(name, path)
        if other.parent != path.parent:
            raise UserError(f"{other} and {path} are both there: name the folder of one of them")
        if path.name == name:  # rather than one that is called otherwise
            found[name] = path
    return found | dict(known)


def _children(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def what_is_in(place: Path) -> str:
    """Return what a place holds, in words."""
    names = [
        path.name if path.is_file() or path.is_dir() else f"{path.name} (no ordinary file)"
        for path in _children(place)
    ]
    return f"it holds {join(names)}" if names else "it is empty"

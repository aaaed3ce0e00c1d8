"""The pictures of a folder by content: the split of each, and the list that a run keeps.

The SHA-256 of its file identifies a picture, so a list still finds its pictures after files were
added, renamed or moved.
"""

import csv
import dataclasses
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.grouping import TEST_FRACTION
from jaxcnn.errors import UserError
from jaxcnn.text import some_names

# the splits by the names that users give them, in lower case
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_COLUMNS = ("sha256", "path", "class", "split")
_GROUP = "group"  # a column of lists with groups only
_USE = "used_for"  # a column of a run's list: what the run uses the picture for, "" for nothing
_ENCODING, _ERRORS = "utf-8", "surrogateescape"  # file names may be any bytes


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a folder or a table.

    Attributes:
      sha256: hex digest of the file.
      path: relative to the folder, with slashes; absolute for a picture outside of it.
      class_name: its class.
      split: "train", "validation" or "test" of the dataset.
      group: pictures of one group, such as a patient's, stay in one split; "" for none.
    """

    sha256: str
    path: str
    class_name: str
    split: str
    group: str = ""


@dataclasses.dataclass(frozen=True)
class PictureList:
    """The pictures of a run, and what all pictures decided of which the run took these.

    Attributes:
      pictures: in the order of the examples, split after split.
      conversion: the fields of their `Conversion`; None if these pictures decide them.
      channels: of their images; 0 if these pictures decide them.
    """

    pictures: tuple[Picture, ...]
    conversion: Mapping[str, Any] | None = None
    channels: int = 0

    @property
    def digest(self) -> str:
        """Digest of all attributes as hex digits; that of the pictures if only they are given."""
        digest = digest_of(self.pictures)
        if self.conversion is None and not self.channels:
            return digest
        given = f"{digest} {sorted((self.conversion or {}).items())} {self.channels}"
        return hashlib.sha256(given.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def is_test(sha256: str) -> bool:
    """Return whether a picture belongs to the test split, as a fifth of all contents do.

    The split depends on nothing but the content. So adding pictures moves none from training to
    test, and copies of a picture lie in the same split.
    """
    return int(sha256[:8], 16) < TEST_FRACTION * 2**32


def is_test_group(group: str) -> bool:
    """Return whether a group belongs to the test split; it depends on nothing but its name."""
    return is_test(hashlib.sha256(group.encode(_ENCODING, _ERRORS)).hexdigest())


def to_csv(pictures: Iterable[Picture], used_for: Iterable[str] | None = None) -> bytes:
    """Return a list as CSV with a header, in UTF-8 except for file names that are not.

    It has a column for groups if there are any.

    Args:
      pictures: the list.
      used_for: the split of the run that uses each picture, as another column.
    """
    text = io.StringIO(newline="")
    pictures = list(pictures)
    columns = {
        "sha256": [p.sha256 for p in pictures],
        "path": [p.path for p in pictures],
        "class": [p.class_name for p in pictures],
        "split": [p.split for p in pictures],
    }
    if any(p.group for p in pictures):
        columns[_GROUP] = [p.group for p in pictures]
    if used_for is not None:
        columns[_USE] = list(used_for)
    csv.writer(text).writerows([columns, *zip(*columns.values(), strict=True)])
    return text.getvalue().encode(_ENCODING, _ERRORS)


def write_picture_list(path: Path, pictures: Iterable[Picture]) -> None:
    """Write a list as CSV."""
    path.write_bytes(to_csv(pictures))


def read_picture_list(path: Path) -> tuple[Picture, ...]:
    """Return the pictures of a CSV file that `write_picture_list` or a run wrote.

    Raises:
      UserError: the file is damaged, or is not such a list.
    """
    try:
        with open(path, newline="", encoding=_ENCODING, errors=_ERRORS) as file:
            rows = list(csv.DictReader(file))
        pictures = tuple(
            Picture(*(row[name] for name in _COLUMNS), row.get(_GROUP) or "") for row in rows
        )
        is_valid = all(len(bytes.fromhex(p.sha256)) == 32 and p.split for p in pictures)
        if not (pictures and is_valid):
            raise ValueError("a row that no run writes")
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: is not a list of pictures, or is damaged ({error})") from error
    return pictures


def digests_trained_on(path: Path) -> set[str]:
    """Return the SHA-256 of each picture that a run trained on, from the list that it keeps.

    Raises:
      UserError: see `read_picture_list`.
    """
    pictures = read_picture_list(path)
    with open(path, newline="", encoding=_ENCODING, errors=_ERRORS) as file:
        uses = [row.get(_USE, row["split"]) for row in csv.DictReader(file)]
    return {p.sha256 for p, use in zip(pictures, uses, strict=True) if use == "train"}


def digest_of(pictures: Iterable[Picture]) -> str:
    """Return a digest of a list as hex digits: of contents, classes, splits, groups, not paths."""
    rows = [
        (picture.sha256, picture.class_name, picture.split, *filter(None, [picture.group]))
        for picture in pictures
    ]
    return hashlib.sha256(repr(rows).encode(_ENCODING, _ERRORS)).hexdigest()


def locate(pictures: Sequence[Picture], folder: Path, candidates: Iterable[Path]) -> list[Path]:
    """Return the file of each picture of a list, in the order of the list.

    A picture is looked up at its own path, then among the candidates by content.

    Args:
      pictures: the list.
      folder: the folder in its current state.
      candidates: the files in it.

    Raises:
      UserError: pictures are missing, or have changed.
    """
    paths = _at_own_paths(pictures, folder)
    if len(paths) < len(pictures):
        known = set(paths.values())
        others = _by_content(path for path in candidates if path not in known)
        for index, picture in enumerate(pictures):
            if index not in paths and others[picture.sha256]:
                paths[index] = others[picture.sha256].pop(0)
    missing = [p.path for index, p in enumerate(pictures) if index not in paths]
    if missing:
        raise UserError(
            f"{os.fspath(folder)}: {len(missing)} of the run's {len(pictures)} pictures are gone "
            f"or changed ({some_names(missing)}); bring them back, or name their folder with "
            "--data_at=PATH"
        )
    return [paths[index] for index in range(len(pictures))]


def _at_own_paths(pictures: Sequence[Picture], folder: Path) -> dict[int, Path]:
    """Return the file of each unchanged picture, by its number in the list."""
    paths = {}
    for index, picture in enumerate(pictures):
        path = folder / picture.path
        if path.is_file() and sha256_of(path) == picture.sha256:
            paths[index] = path
    return paths


def _by_content(paths: Iterable[Path]) -> defaultdict[str, list[Path]]:
    """Return the files by their SHA-256."""
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        files[sha256_of(path)].append(path)
    return files

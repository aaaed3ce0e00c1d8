"""Places of prepared datasets: where each one lies on disk, and how it is prepared.

Nothing here imports tfds: a dataset that is already prepared is read without it.
"""

import dataclasses
import difflib
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.datasets.registry import (
    DATASETS,
    FOLDER_BUILDER,
    OWN_DATASETS,
    load_builder,
)
from jaxcnn.data.pictures.content import Picture, digest_of
from jaxcnn.data.preparing.cache import read_info
from jaxcnn.errors import UserError
from jaxcnn.files.paths import check_for_dataset, user_path

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


VERSION = "1.0.0"  # of the builders' files
FOLDER = "folder:"
# patterns for the files of a folder of images, as deep as PATH/pets/train/cat/images/*
DEPTHS = ("*", "*/*", "*/*/*", "*/*/*/*", "*/*/*/*/*")


def dataset_names() -> list[str]:
    """Return the names that `load_dataset` takes; `folder:PATH` stands for a folder of images."""
    return [*DATASETS, *OWN_DATASETS, f"{FOLDER}PATH"]


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a prepared dataset, and the choices that its preparation depends on.

    A folder of images is prepared for each image size, so that its pictures are resized once, and
    for each state of the folder, so that the data of a run never change. The other datasets are
    prepared in their own size.

    Attributes:
      name: of the dataset.
      data_dir: the folder of all prepared datasets.
      image_size: height and width in which a folder is prepared; 0 for the dataset's own.
      split: the rule for the test split of a folder without one, "content" or "shuffle".
      pictures: the only pictures of a folder that count; None for all.
    """

    name: str
    data_dir: Path
    image_size: int
    split: str = "content"
    pictures: tuple[Picture, ...] | None = None

    @property
    def is_folder(self) -> bool:
        """True for a folder of images."""
        return self.name.startswith(FOLDER)

    @property
    def folder(self) -> Path:
        """The user's folder of images."""
        return user_path(self.name.removeprefix(FOLDER)).resolve()

    @property
    def config(self) -> str:
        """The name of the tfds config; empty except for folders."""
        if not self.is_folder:
            return ""
        if self._is_in_older_cache():
            return self.version_prefix
        return f"{self.version_prefix}-{self.fingerprint[:12]}"

    def _is_in_older_cache(self) -> bool:
        """Return whether the folder's present state was prepared without a version in its name."""
        arrays = self.data_dir / "jaxcnn_folder" / self.version_prefix / VERSION / "arrays"
        info = read_info(arrays) if self.split == "shuffle" else None
        return info is not None and info.get("fingerprint") == self.fingerprint

    @property
    def version_prefix(self) -> str:
        """The common prefix of the configs of a folder's versions in one image size."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return f"{digest}-{self.image_size or 'own'}"

    @property
    def directory(self) -> Path:
        """The dataset's directory: tfds' files, and `arrays*/` with the arrays beside them."""
        family = "folder" if self.is_folder else self.name
        return self.data_dir / f"jaxcnn_{family}" / self.config / VERSION

    @property
    def arrays(self) -> Path:
        """The directory of the arrays in the dataset's own image size."""
        return self.directory / "arrays"

    def has_records(self) -> bool:
        """Return whether tfds' files exist and their sources cannot have changed."""
        return not self.is_folder and (self.directory / "dataset_info.json").is_file()

    def is_prepared(self) -> bool:
        """Return whether the dataset is prepared; a folder in its present state."""
        return read_info(self.arrays) is not None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of a folder's present state, hex digits; empty for other datasets."""
        if not self.is_folder:
            return ""
        if self.pictures is not None:
            return digest_of(self.pictures)
        digest = hashlib.sha256()
        # not rglob, which skips linked folders
        for path in sorted(path for depth in DEPTHS for path in self.folder.glob(depth)):
            status = path.stat() if path.exists() else path.lstat()
            state = (path.relative_to(self.folder), status.st_size, status.st_mtime_ns)
            if self.split != "shuffle":  # older caches were made with "shuffle" and the rest alone
                state += (status.st_ctime_ns, status.st_ino)  # `cp -p` keeps the mtime
            digest.update(repr(state).encode(errors="surrogateescape"))
        if self.split != "shuffle":
            digest.update(self.split.encode())
        return digest.hexdigest()

    def builder_class(self) -> type["ImageBuilder"]:
        """Return the tfds builder; this is where tfds is imported."""
        return load_builder(FOLDER_BUILDER if self.is_folder else DATASETS[self.name].builder)


def find_place(
    name: str,
    data_dir: str | os.PathLike | None = None,
    image_size: int = 0,
    split: str = "content",
    pictures: tuple[Picture, ...] | None = None,
) -> Place:
    """Return the place of a dataset; see `Place`.

    Args:
      name: one of `dataset_names()`.
      data_dir: the folder of prepared datasets; else $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      image_size: see `Place`; ignored except for folders.
      split: see `Place`.
      pictures: see `Place`.

    Raises:
      UserError: there is no such dataset or no such folder, or `data_dir` cannot be used.
    """
    root = _root(data_dir)
    check_for_dataset(root)
    is_folder = is_folder_name(name)
    if not is_folder and name not in dataset_names():
        close = difflib.get_close_matches(name, dataset_names(), 1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise UserError(
            f"no dataset {name!r}{hint} (known: {', '.join(dataset_names())}, "
            "and what your file registers with --register=FILE)"
        )
    place = Place(name, root, image_size if is_folder else 0, split, pictures)
    if is_folder and not place.folder.is_dir():
        raise UserError(f"{name}: there is no folder {place.folder}")
    refuse_among_pictures(root, name, "name another data_dir")
    return place


def is_folder_name(name: str) -> bool:
    """Return whether a dataset's name stands for a folder of images."""
    return name.startswith(FOLDER) and name != FOLDER


def same_dataset(name: str, other: str) -> bool:
    """Return whether two names stand for the same dataset; a folder can be written in many ways."""
    if is_folder_name(name) and is_folder_name(other):
        return Place(name, Path(), 0).folder == Place(other, Path(), 0).folder
    return name == other


def find_versions(data_dir: str | os.PathLike | None) -> Iterator[Path]:
    """Yield the directory of the arrays of each prepared version of a folder of images."""
    for path in sorted((_root(data_dir) / "jaxcnn_folder").glob(f"*/{VERSION}/arrays")):
        if read_info(path) is not None:
            yield path


def _root(data_dir: str | os.PathLike | None) -> Path:
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return user_path(os.fspath(root)).absolute()


def refuse_among_pictures(folder: Path, name: str, advice: str) -> None:
    """Check that a folder to write to does not lie in a dataset's folder of images.

    It would be read as a class.

    Args:
      folder: the folder to write to.
      name: of the dataset.
      advice: the end of the error's line.

    Raises:
      UserError: it lies there, or a link leads there.
    """
    if not is_folder_name(name):
        return
    pictures = user_path(name.removeprefix(FOLDER)).resolve()
    if folder.resolve().is_relative_to(pictures):
        raise UserError(
            f"{folder}: lies in the dataset's folder {pictures} and would become a class of it; "
            f"{advice}"
        )

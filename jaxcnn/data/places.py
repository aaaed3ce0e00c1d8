"""Places of prepared datasets: where each one lies on disk, and how it is prepared.

Nothing here imports tfds: a dataset that is already prepared is read without it.
"""

import dataclasses
import difflib
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.config.picture_settings import check_picture_settings
from jaxcnn.data.datasets.registry import (
    DATASETS,
    FOLDER_BUILDER,
    OWN_DATASETS,
    load_builder,
)
from jaxcnn.data.image_size import ImageSize, size_name
from jaxcnn.data.pictures.content import PictureList
from jaxcnn.data.pictures.table import read_table, table_files
from jaxcnn.data.preparing.cache import read_info
from jaxcnn.data.tfds_names import TFDS, folder_name, is_tfds_name, state_of
from jaxcnn.errors import UserError
from jaxcnn.files.paths import below, check_for_dataset, user_path

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


VERSION = "1.0.0"  # of the builders' files
FOLDER, TABLE = "folder:", "table:"
SPLIT_RULES = ("content", "shuffle")  # other values of `dataset.split` are files or splits of tfds
# patterns for the files of a folder of images, as deep as PATH/pets/train/cat/images/*
DEPTHS = ("*", "*/*", "*/*/*", "*/*/*/*", "*/*/*/*/*")


def dataset_names() -> list[str]:
    """Return the names that `load_dataset` takes.

    `folder:PATH` stands for a folder of images, `table:PATH` for a file with their labels, and
    `tfds:NAME` for a set of tensorflow-datasets.
    """
    return [*DATASETS, *OWN_DATASETS, f"{FOLDER}PATH", f"{TABLE}PATH", f"{TFDS}NAME"]


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a prepared dataset, and the choices that its preparation depends on.

    The user's pictures are prepared once for each image size and each state of their files. So they
    are resized once, and the data of a run never change. Sets of tfds are prepared for each image
    size. Other datasets are prepared in their own size.

    Attributes:
      name: of the dataset.
      data_dir: the folder of all prepared datasets.
      image_size: the size that pictures and sets of tfds are prepared in; 0 for their own.
      split: the rule for the test split of pictures without one, "content" or "shuffle"; or a
        table with the columns path and split.
      exclude: a file with the paths of pictures to leave out; "" for none.
      fit: how pictures of other proportions are fitted to the image size, see `fitting.py`.
      listed: the only pictures that count; None for all.
    """

    name: str
    data_dir: Path
    image_size: ImageSize
    split: str = "content"
    exclude: str = ""
    fit: str = "crop"
    listed: PictureList | None = None

    @property
    def is_of_pictures(self) -> bool:
        """True for the user's pictures, in a folder or in a table."""
        return self.name.startswith((FOLDER, TABLE))

    @property
    def is_of_tfds(self) -> bool:
        """True for a set of tfds by name."""
        return is_tfds_name(self.name)

    @property
    def is_table(self) -> bool:
        """True for a table of pictures."""
        return self.name.startswith(TABLE)

    @property
    def source(self) -> Path:
        """The user's folder of pictures, or the table's file or folder."""
        return user_path(self.name.partition(":")[2]).resolve()

    @property
    def folder(self) -> Path:
        """The folder that the paths of the user's pictures are relative to."""
        return self.source.parent if self.is_table and not self.source.is_dir() else self.source

    @property
    def config(self) -> str:
        """The name of the tfds config; empty except for pictures and the sets of tfds."""
        if self.is_of_tfds:
            split = "" if self.split in SPLIT_RULES else self.split
            return f"{folder_name(self.name, split)}-{self._size_and_fit}"
        if not self.is_of_pictures:
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
        digest = hashlib.sha256(os.fsencode(self.source)).hexdigest()[:12]
        return f"{digest}-{self._size_and_fit}"

    @property
    def _size_and_fit(self) -> str:
        fit = "" if self.fit == "crop" else re.sub("[:#]+", "_", self.fit)
        return f"{size_name(self.image_size)}{fit}"

    @property
    def directory(self) -> Path:
        """The dataset's directory: tfds' files, and `arrays*/` with the arrays beside them."""
        family = "folder" if self.is_of_pictures else "tfds" if self.is_of_tfds else self.name
        return self.data_dir / f"jaxcnn_{family}" / self.config / VERSION

    @property
    def arrays(self) -> Path:
        """The directory of the arrays in the dataset's own image size."""
        return self.directory / "arrays"

    def has_records(self) -> bool:
        """Return whether tfds' files exist and their sources cannot have changed."""
        return not self.is_of_pictures and (self.directory / "dataset_info.json").is_file()

    def is_prepared(self) -> bool:
        """Return whether the dataset is prepared; a folder in its present state."""
        info = read_info(self.arrays)
        if info is None or not self.is_of_tfds:
            return info is not None
        return self.fingerprint in ("", info.get("fingerprint"))  # "" if tfds' files are gone

    @property
    def fingerprint(self) -> str:
        """Digest of the present state of pictures or tfds' files, hex digits; "" for others."""
        if self.is_of_tfds:
            return state_of(self.name, self.data_dir)
        return self._pictures_state if self.is_of_pictures else ""

    @functools.cached_property
    def _pictures_state(self) -> str:
        if self.listed is not None:
            return self.listed.digest
        digest = hashlib.sha256()
        for path in self._files():
            status = path.stat() if path.exists() else path.lstat()
            state = (below(path, self.folder), status.st_size, status.st_mtime_ns)
            if self.split != "shuffle":  # older caches had "shuffle" and no state beyond this
                state += (status.st_ctime_ns, status.st_ino)  # `cp -p` keeps the mtime
            digest.update(repr(state).encode(errors="surrogateescape"))
        if self.split != "shuffle":
            digest.update(self.split.encode())
        for file in self._lists():
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _files(self) -> list[Path]:
        """Return the files whose state decides whether the pictures are prepared again."""
        if self.is_table:
            return [row.path for row in read_table(self.source)]
        # not rglob, which skips linked folders
        return sorted(path for depth in DEPTHS for path in self.folder.glob(depth))

    def _lists(self) -> list[Path]:
        """Return the files whose content decides whether the pictures are prepared again."""
        named = [self.exclude, *([] if self.split in SPLIT_RULES else [self.split])]
        lists = [list_file(name) for name in named if name]
        return lists + (list(table_files(self.source).values()) if self.is_table else [])

    def builder_class(self) -> type["ImageBuilder"]:
        """Return the tfds builder; this is where tfds is imported."""
        return load_builder(FOLDER_BUILDER if self.is_of_pictures else DATASETS[self.name].builder)


def find_place(
    name: str,
    data_dir: str | os.PathLike | None = None,
    image_size: ImageSize = 0,
    split: str = "content",
    exclude: str = "",
    fit: str = "crop",
    listed: PictureList | None = None,
) -> Place:
    """Return the place of a dataset; see `Place`.

    Args:
      name: one of `dataset_names()`.
      data_dir: the folder of prepared datasets; else $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      image_size: see `Place`; ignored for other datasets.
      split: see `Place`.
      exclude: see `Place`.
      fit: see `Place`.
      listed: see `Place`.

    Raises:
      UserError: dataset or folder is missing or takes no such setting, or `data_dir` is unusable.
    """
    check_picture_settings({"name": name, "split": split, "exclude": exclude, "fit": fit})
    root = _root(data_dir)
    check_for_dataset(root)
    is_of_pictures, is_named = is_pictures_name(name), name in dataset_names()
    if not (is_of_pictures or is_tfds_name(name) or is_named):
        close = difflib.get_close_matches(name, dataset_names(), 1)
        guesses = [FOLDER + name] if user_path(name).is_dir() else close
        hint = f", did you mean {guesses[0]}?" if guesses else ""
        raise UserError(
            f"no dataset {name!r}{hint} (known: {', '.join(dataset_names())}, "
            "and what your file registers with --register=FILE)"
        )
    place = Place(name, root, 0 if is_named else image_size, split, exclude, fit, listed)
    if is_of_pictures and not place.folder.is_dir():
        raise UserError(f"{name}: there is no folder {place.folder}")
    refuse_among_pictures(root, name, "name another data_dir")
    return place


def is_pictures_name(name: str) -> bool:
    """Return whether a dataset's name stands for the user's pictures: a folder, or a table."""
    return name.startswith((FOLDER, TABLE)) and name not in (FOLDER, TABLE)


def list_file(name: str) -> Path:
    """Return the file of a list that a config names.

    Raises:
      UserError: there is no such file.
    """
    path = user_path(name)
    if not path.is_file():
        raise UserError(f"{name}: there is no such file")
    return path


def pictures_folder(name: str) -> Path:
    """Return the folder that the paths of `folder:PATH`'s or `table:PATH`'s pictures start at."""
    return Place(name, Path(), 0).folder


def same_dataset(name: str, other: str) -> bool:
    """Return whether two names stand for the same dataset; a folder can be written in many ways."""
    if is_pictures_name(name) and is_pictures_name(other):
        one, two = Place(name, Path(), 0), Place(other, Path(), 0)
        return (one.is_table, one.source) == (two.is_table, two.source)
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
    if not name.startswith(FOLDER) or name == FOLDER:
        return
    pictures = user_path(name.removeprefix(FOLDER)).resolve()
    if folder.resolve().is_relative_to(pictures):
        raise UserError(
            f"{folder}: lies in the dataset's folder {pictures} and would become a class of it; "
            f"{advice}"
        )

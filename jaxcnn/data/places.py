"""The datasets: their names, where a prepared one lies, and which builder prepares it.

Nothing here imports tfds: a dataset that is prepared already is read without it.
"""

import dataclasses
import difflib
import functools
import hashlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.pictures.content import Picture, digest_of
from jaxcnn.data.preparing.cache import read_info
from jaxcnn.errors import UserError
from jaxcnn.files.paths import check_for_dataset, user_path

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


VERSION = "1.0.0"  # of what the builders write
FOLDER = "folder:"
# of the files of a folder of images, as deep as PATH/pets/train/cat/images/*
DEPTHS = ("*", "*/*", "*/*/*", "*/*/*/*", "*/*/*/*/*")
_BUILDERS = {
    "cifar10": ("cifar", "Cifar10"),
    "cifar100": ("cifar", "Cifar100"),
    "digits": ("digits", "Digits"),
    "ferplus": ("ferplus", "FerPlus"),
    "mnist": ("mnist", "Mnist"),
    "folder": ("folder", "ImageFolder"),
}


def dataset_names() -> list[str]:
    """The names that `load_dataset` takes; `folder:PATH` stands for a folder of images."""
    return [*(name for name in _BUILDERS if name != "folder"), f"{FOLDER}PATH"]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a dataset lies once it is prepared, and how it is prepared.

    A folder of images is prepared for each image size, so that its pictures are resized once, and
    for each state of the folder, so that no run's data change under it. The other datasets are
    prepared in their own size.
    """

    name: str
    data_dir: Path
    image_size: int  # the size a folder is prepared in; 0 for the dataset's own
    split: str = "content"  # how a folder's test split is chosen, where it has none
    pictures: tuple[Picture, ...] | None = None  # of a folder, these alone

    @property
    def builder(self) -> str:
        """The key of the builder: "folder" for every folder."""
        return "folder" if self.name.startswith(FOLDER) else self.name

    @property
    def folder(self) -> Path:
        """The user's folder of images."""
        return user_path(self.name.removeprefix(FOLDER)).resolve()

    @property
    def config(self) -> str:
        """The name of the tfds config: empty but for folders."""
        if self.builder != "folder":
            return ""
        if self._is_in_older_cache():
            return self.all_versions
        return f"{self.all_versions}-{self.fingerprint[:12]}"

    def _is_in_older_cache(self) -> bool:
        """Whether the folder, as it is, was prepared when each folder had but one version."""
        arrays = self.data_dir / "jaxcnn_folder" / self.all_versions / VERSION / "arrays"
        info = read_info(arrays) if self.split == "shuffle" else None
        return info is not None and info.get("fingerprint") == self.fingerprint

    @property
    def all_versions(self) -> str:
        """What the configs of a folder's versions, in one image size, begin with."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return f"{digest}-{self.image_size or 'own'}"

    @property
    def directory(self) -> Path:
        """The dataset's directory: tfds' files, and `arrays*/` with the arrays beside them."""
        return self.data_dir / f"jaxcnn_{self.builder}" / self.config / VERSION

    @property
    def arrays(self) -> Path:
        """The directory of the arrays in the dataset's own image size."""
        return self.directory / "arrays"

    def has_records(self) -> bool:
        """Whether tfds' files are there and what they were made from cannot have changed."""
        return self.builder != "folder" and (self.directory / "dataset_info.json").is_file()

    def is_prepared(self) -> bool:
        """Whether the dataset is prepared; a folder as it is."""
        return read_info(self.arrays) is not None

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells a changed folder of images from an unchanged one; empty for the others."""
        if self.builder != "folder":
            return ""
        if self.pictures is not None:
            return digest_of(self.pictures)
        digest = hashlib.sha256()
        # not rglob, which passes over linked folders
        for path in sorted(path for depth in DEPTHS for path in self.folder.glob(depth)):
            status = path.stat() if path.exists() else path.lstat()
            about = (path.relative_to(self.folder), status.st_size, status.st_mtime_ns)
            if self.split != "shuffle":  # older caches are found by the rest
                about += (status.st_ctime_ns, status.st_ino)  # `cp -p` keeps the time
            digest.update(repr(about).encode(errors="surrogateescape"))
        if self.split != "shuffle":  # the only rule there was at first
            digest.update(self.split.encode())
        return digest.hexdigest()

    def builder_class(self) -> type["ImageBuilder"]:
        """The tfds builder; this is where tfds is imported."""
        module, name = _BUILDERS[self.builder]
        return getattr(importlib.import_module(f"jaxcnn.data.datasets.{module}"), name)


def find_place(
    name: str,
    data_dir: str | os.PathLike | None = None,
    image_size: int = 0,
    split: str = "content",
    pictures: tuple[Picture, ...] | None = None,
) -> Place:
    """The place of dataset `name` in `data_dir` (else $TFDS_DATA_DIR, ~/tensorflow_datasets).

    Raises:
      UserError: no such dataset, or no such folder.
    """
    root = _root(data_dir)
    check_for_dataset(root)
    is_folder = is_folder_name(name)
    if not is_folder and name not in dataset_names():
        close = difflib.get_close_matches(name, dataset_names(), 1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise UserError(f"no dataset {name!r}{hint} (known: {', '.join(dataset_names())})")
    place = Place(name, root, image_size if is_folder else 0, split, pictures)
    if is_folder and not place.folder.is_dir():
        raise UserError(f"{name}: there is no folder {place.folder}")
    refuse_among_pictures(root, name, "name another data_dir")
    return place


def is_folder_name(name: str) -> bool:
    """Whether a dataset's name is that of a folder of images."""
    return name.startswith(FOLDER) and name != FOLDER


def same_dataset(name: str, other: str) -> bool:
    """Whether two names stand for the same dataset: a folder may be written in several ways."""
    if is_folder_name(name) and is_folder_name(other):
        return Place(name, Path(), 0).folder == Place(other, Path(), 0).folder
    return name == other


def find_versions(data_dir: str | os.PathLike | None) -> Iterator[Path]:
    """The arrays of every prepared version of a folder of images."""
    for path in sorted((_root(data_dir) / "jaxcnn_folder").glob(f"*/{VERSION}/arrays")):
        if read_info(path) is not None:
            yield path


def _root(data_dir: str | os.PathLike | None) -> Path:
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return user_path(os.fspath(root)).absolute()


def refuse_among_pictures(folder: Path, name: str, advice: str) -> None:
    """Refuse a folder to write to that lies in the folder of pictures that a dataset's name gives:
    it would be taken for a class.

    Raises:
      UserError: it lies there, or a link leads there; `advice` ends the line.
    """
    if not is_folder_name(name):
        return
    pictures = user_path(name.removeprefix(FOLDER)).resolve()
    if folder.resolve().is_relative_to(pictures):
        raise UserError(
            f"{folder}: lies in the dataset's folder {pictures}, and would become a class of it; "
            f"{advice}"
        )

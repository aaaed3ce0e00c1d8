"""The datasets: their names, where a prepared one lies, and which builder prepares it.

Nothing here imports tfds: a dataset that is prepared already is read without it.
"""

import dataclasses
import difflib
import hashlib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.data.datasets.cache import read_info
from jaxcnn.errors import UserError
from jaxcnn.paths import check_for_dataset, user_path

if TYPE_CHECKING:
    from jaxcnn.data.datasets.base import ImageBuilder

VERSION = "1.0.0"  # of what the builders write
FOLDER = "folder:"

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

    A folder of images is prepared for each image size anew, so that its pictures are resized
    once; the other datasets are prepared in their own size.
    """

    name: str
    data_dir: Path
    image_size: int  # the size a folder is prepared in; 0 for the dataset's own

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
        """Whether the dataset is prepared; for a folder also: and has not changed since."""
        info = read_info(self.arrays)
        return info is not None and info.get("fingerprint") == self.fingerprint()

    def fingerprint(self) -> str:
        """What tells a changed folder of images from an unchanged one; empty for the others."""
        if self.builder != "folder":
            return ""
        digest = hashlib.sha256()
        depths = ("*", "*/*", "*/*/*")  # not rglob, which passes over linked folders
        for path in sorted(path for depth in depths for path in self.folder.glob(depth)):
            status = path.stat() if path.exists() else path.lstat()
            about = (path.relative_to(self.folder), status.st_size, status.st_mtime_ns)
            digest.update(repr(about).encode(errors="surrogateescape"))
        return digest.hexdigest()

    def builder_class(self) -> type["ImageBuilder"]:
        """The tfds builder; this is where tfds is imported."""
        module, name = _BUILDERS[self.builder]
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def find_place(name: str, data_dir: str | os.PathLike | None = None, image_size: int = 0) -> Place:
    """The place of dataset `name` in `data_dir` (else $TFDS_DATA_DIR, ~/tensorflow_datasets).

    Raises:
      UserError: no such dataset, or no such folder.
    """
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    root = user_path(os.fspath(root)).absolute()
    check_for_dataset(root)
    is_folder = name.startswith(FOLDER) and name != FOLDER
    if not is_folder and name not in dataset_names():
        close = difflib.get_close_matches(name, dataset_names(), 1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise UserError(f"no dataset {name!r}{hint} (known: {', '.join(dataset_names())})")
    place = Place(name, root, image_size if is_folder else 0)
    if is_folder and not place.folder.is_dir():
        raise UserError(f"{name}: there is no folder {place.folder}")
    refuse_among_pictures(root, name, "name another data_dir")
    return place


def refuse_among_pictures(folder: Path, name: str, advice: str) -> None:
    """Refuse a folder to write to that lies in the folder of pictures that a dataset's name gives:
    it would be taken for a class.

    Raises:
      UserError: it lies there, or a link leads there; `advice` ends the line.
    """
    if not name.startswith(FOLDER):
        return
    pictures = user_path(name.removeprefix(FOLDER)).resolve()
    if folder.resolve().is_relative_to(pictures):
        raise UserError(
            f"{folder}: lies in the dataset's folder {pictures}, and would become a class of it; "
            f"{advice}"
        )

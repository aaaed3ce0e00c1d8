"""A folder of the user's images: a sub-folder per class, with or without splits above them.

Either PATH/train/CLASS/* and PATH/test/CLASS/* (and PATH/validation/CLASS/* or PATH/val/CLASS/*),
or PATH/CLASS/*. Of these the test split is a fifth: the pictures that `is_test` chooses by their
content, or, where a run asks for `dataset.split = "shuffle"`, a fifth of each class, at least one
image, drawn with a fixed seed.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow_datasets as tfds

from jaxcnn.data.datasets import Place
from jaxcnn.data.datasets.base import Examples, ImageBuilder
from jaxcnn.data.datasets.digits import stratified_test
from jaxcnn.data.images import fit, is_grey, may_be_picture, read_picture
from jaxcnn.data.pictures import Picture, is_test, locate, sha256_of
from jaxcnn.errors import UserError

_SEED = 0
_TEST_FRACTION = 0.2
_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}

Pictures = list[tuple[Path, int]]  # with their class numbers


class ImageFolder(ImageBuilder):
    """A folder of images of any format and mode that Pillow reads, as RGB, or grey if all are."""

    name = "jaxcnn_folder"
    description = "A folder of images"
    files: Mapping[str, Path] = {}  # they are where they are

    @classmethod
    def at(cls, place: Place, data_dir: Path) -> Self:
        """The builder of the folder that the place names, as it is now."""
        if place.pictures is None:
            names, splits = _find_pictures(place.folder, place.split)
        else:
            names, splits = _listed_pictures(place.folder, place.pictures)
        return cls(
            names, splits, place.folder, place.image_size, config=place.config, data_dir=data_dir
        )

    def __init__(
        self,
        names: tuple[str, ...],
        splits: dict[str, Pictures],
        folder: Path,
        image_size: int,
        *,
        config: str,
        data_dir: Path,
    ) -> None:
        self._splits = splits
        self.class_names = {"": names}
        paths = [path for pictures in self._splits.values() for path, _ in pictures]
        self.pictures = [
            Picture(sha256_of(path), path.relative_to(folder).as_posix(), names[label], split)
            for split, pictures in splits.items()
            for path, label in pictures
        ]
        self._mode = "L" if all(is_grey(path) for path in paths) else "RGB"
        self._first = paths[0]
        width, height = (image_size, image_size) if image_size else read_picture(paths[0], "L").size
        self.image_shape = (height, width, len(self._mode))
        super().__init__(
            data_dir=data_dir, config=tfds.core.BuilderConfig(name=config, version=self.VERSION)
        )

    @classmethod
    def is_source(cls, file_name: str) -> bool:
        """See `ImageBuilder`."""
        return False

    def read(self, files: Mapping[str, Path]) -> dict[str, Examples]:
        """The splits, from the folder, picture by picture."""
        return {
            split: Examples(
                self._images(pictures), {"": np.array([label for _, label in pictures], np.int64)}
            )
            for split, pictures in self._splits.items()
        }

    def _images(self, pictures: Pictures) -> Iterator[np.ndarray]:
        for path, _ in pictures:
            picture = read_picture(path, self._mode)
            if self.builder_config_name.endswith("-own"):
                self._check_size(path, picture.size)
            yield fit(picture, self.image_shape)

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        if size == self.image_shape[1::-1]:
            return
        size, first = (f"{w}x{h}" for w, h in (size, self.image_shape[1::-1]))
        raise UserError(
            f"{path} is {size} but {self._first} is {first}: give --image_size, in a config "
            "dataset.image_size, to resize them to"
        )


def _listed_pictures(
    folder: Path, pictures: Sequence[Picture]
) -> tuple[tuple[str, ...], dict[str, Pictures]]:
    """The names of the classes, and the pictures of each split, of a list."""
    names = tuple(sorted({picture.class_name for picture in pictures}))
    splits: dict[str, Pictures] = {}
    depths = ("*", "*/*", "*/*/*")  # not rglob, which passes over linked folders
    there = (path for depth in depths for path in sorted(folder.glob(depth)) if path.is_file())
    paths = locate(pictures, folder, there)
    for picture, path in zip(pictures, paths, strict=True):
        splits.setdefault(picture.split, []).append((path, names.index(picture.class_name)))
    return names, splits


def _find_pictures(
    folder: Path, rule: str = "content"
) -> tuple[tuple[str, ...], dict[str, Pictures]]:
    """The names of the classes, and the pictures of each split; `rule` chooses the test split of a
    folder without one."""
    splits = {split: folder / name for name, split in _SPLITS.items() if (folder / name).is_dir()}
    if (folder / "val").is_dir() and (folder / "validation").is_dir():
        raise UserError(f"{folder} has both val and validation, which are one split: keep one")
    names = _sub_folders(folder / "train" if splits else folder)
    if len(names) < 2:
        layout = "PATH/CLASS/*, or PATH/train/CLASS/* and PATH/test/CLASS/*"
        raise UserError(f"{folder} has fewer than two classes: lay the images out as {layout}")
    if not splits:
        found = _split(_list_pictures(folder, names), rule)
    elif {"train", "test"} <= splits.keys():
        found = {split: _list_pictures(path, names) for split, path in splits.items()}
    else:
        raise UserError(f"{folder} has {' and '.join(splits)}, but needs both train and test")
    for split, pictures in found.items():
        if not pictures:
            raise UserError(f"{folder} has too few images: none is left for {split}")
    for label in sorted(set(range(len(names))) - {label for _, label in found["train"]}):
        empty = folder / ("train" if splits else "") / names[label]
        raise UserError(f"{empty} holds no images to train on: fill it, or take it away")
    return names, found


def _sub_folders(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    children = [path for path in _children(folder) if not path.name.startswith(".")]
    names = sorted(path.name for path in children if path.is_dir())
    for name in names:
        if not _is_text(name):
            raise UserError(f"{folder}: the name of its folder {name!a} is not in UTF-8")
    return tuple(names)


def _is_text(name: str) -> bool:
    with contextlib.suppress(UnicodeEncodeError):  # of bytes that stand for themselves
        return bool(name.encode())
    return False


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error


def _list_pictures(folder: Path, names: tuple[str, ...]) -> Pictures:
    for name in set(_sub_folders(folder)) - set(names):
        raise UserError(f"{folder / name}: train has no such class")
    pictures = []
    for label, name in enumerate(names):
        if (folder / name).is_dir():  # a class may be missing in the other splits
            paths = filter(may_be_picture, _children(folder / name))
            pictures += [(path, label) for path in paths]
    return pictures


def _split(pictures: Pictures, rule: str) -> dict[str, Pictures]:
    if rule == "content":
        chosen = np.array([is_test(sha256_of(path)) for path, _ in pictures], bool)
    else:
        labels = np.array([label for _, label in pictures], np.int64)
        chosen = stratified_test(labels, _TEST_FRACTION, _SEED)
    parts = {"train": ~chosen, "test": chosen}
    return {
        split: [pictures[index] for index in np.flatnonzero(part)] for split, part in parts.items()
    }

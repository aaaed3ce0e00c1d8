"""A folder of the user's images: a sub-folder per class, with or without splits above them.

Either PATH/train/CLASS/* and PATH/test/CLASS/* (and PATH/validation/CLASS/* or PATH/val/CLASS/*),
or PATH/CLASS/*, of which a fifth of each class, at least one image, drawn with a fixed seed,
becomes the test split.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow_datasets as tfds

from jaxcnn.data.datasets import Place
from jaxcnn.data.datasets.base import Examples, ImageBuilder
from jaxcnn.data.datasets.digits import stratified_test
from jaxcnn.data.images import find_reading, fit, is_grey, may_be_picture, read_picture
from jaxcnn.data.reading import Reading, describe_rules
from jaxcnn.data.statistics import is_constant
from jaxcnn.errors import UserError
from jaxcnn.reporting.words import some_names

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
        return cls(place.folder, place.image_size, config=place.config, data_dir=data_dir)

    def __init__(self, folder: Path, image_size: int, *, config: str, data_dir: Path) -> None:
        names, self._splits = _find_pictures(folder)
        self.class_names = {"": names}
        paths = [path for pictures in self._splits.values() for path, _ in pictures]
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
        self.reading = find_reading(path for path, _ in self._splits["train"])
        if self.reading:
            self.reporter.say(f"found in the training pictures: {describe_rules(self.reading)}")
        return {
            split: Examples(
                self._images(pictures), {"": np.array([label for _, label in pictures], np.int64)}
            )
            for split, pictures in self._splits.items()
        }

    def _images(self, pictures: Pictures) -> Iterator[np.ndarray]:
        reading, constant = Reading(**self.reading), []
        for path, _ in pictures:
            picture = read_picture(path, self._mode, reading)
            if self.builder_config_name.endswith("-own"):
                self._check_size(path, picture.size)
            image = fit(picture, self.image_shape)
            if is_constant(image[None]).all():
                constant.append(path)
            yield image
        if constant:
            count = f"{len(constant):,} of {len(pictures):,} pictures"
            self.reporter.say(f"warning: {count} are of one color: {some_names(constant)}")

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        if size == self.image_shape[1::-1]:
            return
        size, first = (f"{w}x{h}" for w, h in (size, self.image_shape[1::-1]))
        raise UserError(
            f"{path} is {size} but {self._first} is {first}: give --image_size, in a config "
            "dataset.image_size, to resize them to"
        )


def _find_pictures(folder: Path) -> tuple[tuple[str, ...], dict[str, Pictures]]:
    """The names of the classes, and the pictures of each split."""
    splits = {split: folder / name for name, split in _SPLITS.items() if (folder / name).is_dir()}
    if (folder / "val").is_dir() and (folder / "validation").is_dir():
        raise UserError(f"{folder} has both val and validation, which are one split: keep one")
    names = _sub_folders(folder / "train" if splits else folder)
    if len(names) < 2:
        layout = "PATH/CLASS/*, or PATH/train/CLASS/* and PATH/test/CLASS/*"
        raise UserError(f"{folder} has fewer than two classes: lay the images out as {layout}")
    if not splits:
        found = _split(_list_pictures(folder, names))
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


def _split(pictures: Pictures) -> dict[str, Pictures]:
    labels = np.array([label for _, label in pictures], np.int64)
    is_test = stratified_test(labels, _TEST_FRACTION, _SEED)
    parts = {"train": ~is_test, "test": is_test}
    return {
        split: [pictures[index] for index in np.flatnonzero(chosen)]
        for split, chosen in parts.items()
    }

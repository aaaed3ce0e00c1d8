"""A folder of the user's images: a folder per class, with or without splits above them.

`folder_layout.py` describes the layouts. If there are no splits, a fifth of the pictures becomes
the test split: those that `is_test` chooses by their content, or, with `dataset.split = "shuffle"`,
a fifth of each class, at least one picture, drawn with a fixed seed.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow_datasets as tfds

from jaxcnn.data.datasets.digits import stratified_test
from jaxcnn.data.datasets.folder_layout import Layout, Pictures, find_layout
from jaxcnn.data.pictures.content import Picture, is_test, locate, sha256_of
from jaxcnn.data.pictures.conversion import Conversion, describe_conversion
from jaxcnn.data.pictures.decoding import find_conversion, fit, is_gray, read_picture
from jaxcnn.data.pictures.statistics import is_constant
from jaxcnn.data.places import DEPTHS, Place
from jaxcnn.data.preparing.builder import ImageBuilder, SourceSplit
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError
from jaxcnn.text import join_names, printable, some_names

_SEED = 0
_TEST_FRACTION = 0.2
_MOST_FILES = 50  # in an error's line


class ImageFolder(ImageBuilder):
    """Images of any format and mode that Pillow reads, as RGB, or as gray if all are gray."""

    name = "jaxcnn_folder"
    description = "A folder of images"
    files: Mapping[str, Path] | None = {}  # there is nothing to find or to download

    @classmethod
    def at(cls, place: Place, data_dir: Path, reporter: Reporter) -> Self:
        """Return the builder of a place's folder in its present state."""
        if place.pictures is None:
            layout = _find_pictures(place.folder, place.split)
        else:
            layout = _listed_pictures(place.folder, place.pictures)
        for note in layout.notes:
            reporter.say(printable(note))
        return cls(
            layout,
            place.folder,
            place.image_size,
            config=place.config,
            data_dir=data_dir,
            reporter=reporter,
        )

    def __init__(
        self,
        layout: Layout,
        folder: Path,
        image_size: int,
        *,
        config: str,
        data_dir: Path,
        reporter: Reporter,
    ) -> None:
        self.reporter = reporter
        self._is_resized = bool(image_size)
        self.class_names = {"": layout.class_names}
        self._splits = layout.splits
        self._paths = [path for pictures in self._splits.values() for path, _ in pictures]
        self.pictures = [
            Picture(
                sha256_of(path),
                path.relative_to(folder).as_posix(),
                layout.class_names[label],
                split,
            )
            for split, pictures in self._splits.items()
            for path, label in pictures
        ]
        with self._naming_all_bad_files():
            self._mode = "L" if all(is_gray(path) for path in self._paths) else "RGB"
            first = read_picture(self._paths[0], "L").size
        width, height = (image_size, image_size) if image_size else first
        self.image_shape = (height, width, len(self._mode))
        super().__init__(
            data_dir=data_dir, config=tfds.core.BuilderConfig(name=config, version=self.VERSION)
        )

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits; their pictures are read one by one."""
        with self._naming_all_bad_files():
            self.conversion = find_conversion(path for path, _ in self._splits["train"])
        if self.conversion:
            words = describe_conversion(self.conversion)
            self.reporter.say(f"found in the training pictures: {words}")
        return {
            split: SourceSplit(
                self._images(pictures), {"": np.array([label for _, label in pictures], np.int64)}
            )
            for split, pictures in self._splits.items()
        }

    def _images(self, pictures: Pictures) -> Iterator[np.ndarray]:
        conversion, constant = Conversion(**self.conversion), []
        for path, _ in pictures:
            with self._naming_all_bad_files():
                picture = read_picture(path, self._mode, conversion)
            if not self._is_resized:
                self._check_size(path, picture.size)
            image = fit(picture, self.image_shape)
            if is_constant(image[None]).all():
                constant.append(path)
            yield image
        if constant:
            count = f"{len(constant):,} of {len(pictures):,} pictures"
            self.reporter.warn(f"{count} are of one color: {some_names(constant)}")

    @contextlib.contextmanager
    def _naming_all_bad_files(self) -> Iterator[None]:
        """Name all unreadable files in the error if the block cannot read one."""
        try:
            yield
        except UserError as error:
            errors = []
            for path in self.reporter.track(self._paths, len(self._paths), "checking"):
                try:
                    read_picture(path, "L")
                except UserError as other:
                    errors.append(str(other))
            if len(errors) < 2:
                raise
            more = len(errors) - _MOST_FILES
            listed = errors[:_MOST_FILES] + ([f"and {more:,} more"] if more > 0 else [])
            raise UserError(
                f"{len(errors):,} of {len(self._paths):,} files cannot be used: {'; '.join(listed)}"
            ) from error

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        if size == self.image_shape[1::-1]:
            return
        actual, expected = (f"{w}x{h}" for w, h in (size, self.image_shape[1::-1]))
        raise UserError(
            f"{path} is {actual} but {self._paths[0]} is {expected}: set --image_size, or "
            "dataset.image_size in a config, to resize them"
        )


def _listed_pictures(folder: Path, pictures: Sequence[Picture]) -> Layout:
    """Return the layout of the pictures of a list, wherever in the folder they lie."""
    names = tuple(dict.fromkeys(picture.class_name for picture in pictures))
    splits: dict[str, Pictures] = {}
    # not rglob, which skips linked folders
    candidates = (path for depth in DEPTHS for path in sorted(folder.glob(depth)))
    paths = locate(pictures, folder, filter(Path.is_file, candidates))
    for picture, path in zip(pictures, paths, strict=True):
        splits.setdefault(picture.split, []).append((path, names.index(picture.class_name)))
    return Layout(names, splits, ())


def _find_pictures(folder: Path, rule: str = "content") -> Layout:
    """Return the layout of a folder; if it has no test split, `rule` chooses one."""
    layout = find_layout(folder)
    splits = _split(layout.splits[""], rule) if "" in layout.splits else layout.splits
    for split, pictures in splits.items():
        if not pictures:
            raise UserError(
                f"{folder} has too few images: none is left for {split}; add images, or lay them "
                "out as train/CLASS/* and test/CLASS/*"
            )
    trained_on = {label for _, label in splits["train"]}
    unseen = [n for label, n in enumerate(layout.class_names) if label not in trained_on]
    if unseen:
        raise UserError(
            f"{folder}: all pictures of {join_names(unseen)} are in the test split, none is left "
            "to train on; add pictures, or lay them out as train/CLASS/* and test/CLASS/*"
        )
    return dataclasses.replace(layout, splits=splits)


def _split(pictures: Pictures, rule: str) -> dict[str, Pictures]:
    """Return the pictures of "train" and "test"."""
    if rule == "content":
        is_chosen = np.array([is_test(sha256_of(path)) for path, _ in pictures], bool)
    else:
        labels = np.array([label for _, label in pictures], np.int64)
        is_chosen = stratified_test(labels, _TEST_FRACTION, _SEED)
    parts = {"train": ~is_chosen, "test": is_chosen}
    return {
        split: [pictures[index] for index in np.flatnonzero(part)] for split, part in parts.items()
    }

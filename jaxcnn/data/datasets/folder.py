"""The user's pictures as a dataset: a folder per class, or a table of files and labels."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow_datasets as tfds

from jaxcnn.data.datasets.folder_layout import Layout, Pictures
from jaxcnn.data.datasets.picture_splits import layout_of
from jaxcnn.data.image_size import ImageSize, height_and_width
from jaxcnn.data.pictures.content import Picture, PictureList, sha256_of
from jaxcnn.data.pictures.conversion import DEFAULT_CONVERSION, Conversion, describe_conversion
from jaxcnn.data.pictures.decoding import find_conversion, is_gray, read_picture
from jaxcnn.data.pictures.facts import read_facts, summarize
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.pictures.statistics import is_constant
from jaxcnn.data.places import Place
from jaxcnn.data.preparing.builder import ImageBuilder, SourceSplit
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError
from jaxcnn.files.paths import below
from jaxcnn.text import join_names, printable, some_names

_MOST_FILES = 10  # of a reason, in an error's line


class ImageFolder(ImageBuilder):
    """Images of any format and mode that Pillow reads, as RGB, or as gray if all are gray."""

    name = "jaxcnn_folder"
    description = "A folder of images"
    files: Mapping[str, Path] | None = {}  # there is nothing to find or to download

    @classmethod
    def at(cls, place: Place, data_dir: Path, reporter: Reporter) -> Self:
        """Return the builder of a place's pictures in their present state."""
        layout = layout_of(place)
        for note in layout.notes:
            reporter.say(printable(note))
        return cls(
            layout,
            place.folder,
            place.image_size,
            place.fit,
            place.listed,
            config=place.config,
            data_dir=data_dir,
            reporter=reporter,
        )

    def __init__(
        self,
        layout: Layout,
        folder: Path,
        image_size: ImageSize,
        fit_method: str,
        listed: PictureList | None,
        *,
        config: str,
        data_dir: Path,
        reporter: Reporter,
    ) -> None:
        self.reporter, self._listed = reporter, listed
        self._is_resized, self._fit = bool(image_size), fit_method
        self.class_names = {"": layout.class_names}
        self._splits = layout.splits
        self._paths = [path for pictures in self._splits.values() for path, _ in pictures]
        self.pictures, facts = [], []
        entries = [(split, *entry) for split, whole in self._splits.items() for entry in whole]
        with self._naming_all_bad_files():
            for split, path, label in reporter.track(entries, len(entries), "looking at"):
                facts.append(read_facts(path))
                self.pictures.append(
                    Picture(
                        sha256_of(path),
                        below(path, folder).as_posix(),
                        layout.class_names[label],
                        split,
                        layout.groups.get(path, ""),
                    )
                )
            first = read_picture(self._paths[0], "L").size
        self.facts = summarize(facts)
        channels = listed.channels if listed else 0
        has_gray = channels == 1 if channels else all(is_gray(fact.mode) for fact in facts)
        self._mode = "L" if has_gray else "RGB"
        height, width = height_and_width(image_size) if image_size else first[::-1]
        self.image_shape = (height, width, len(self._mode))
        super().__init__(
            data_dir=data_dir, config=tfds.core.BuilderConfig(name=config, version=self.VERSION)
        )

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits; their pictures are read one by one."""
        self.conversion = self._conversion()
        if self._fit != DEFAULT_CONVERSION.fit:
            self.conversion |= {"fit": self._fit}
        return {
            split: SourceSplit(
                self._images(pictures), {"": np.array([label for _, label in pictures], np.int64)}
            )
            for split, pictures in self._splits.items()
        }

    def _conversion(self) -> dict[str, Any]:
        """Return the fields of `Conversion` without "fit": recorded ones, or those found."""
        if self._listed and self._listed.conversion is not None:
            recorded = self._listed.conversion
            return {name: value for name, value in recorded.items() if name != "fit"}
        with self._naming_all_bad_files():
            conversion = find_conversion(path for path, _ in self._splits["train"])
        if conversion:
            words = describe_conversion(conversion)
            self.reporter.say(f"found in the training pictures: {words}")
        return conversion

    def _images(self, pictures: Pictures) -> Iterator[np.ndarray]:
        conversion, constant = Conversion(**self.conversion), []
        for path, _ in pictures:
            with self._naming_all_bad_files():
                picture = read_picture(path, self._mode, conversion)
            if not self._is_resized:
                self._check_size(path, picture.size)
            image = fit(picture, self.image_shape, self._fit)
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
            by_reason: dict[str, list[str]] = {}
            for path in self.reporter.track(self._paths, len(self._paths), "checking"):
                try:
                    read_picture(path, "L")
                except UserError as other:
                    reason = str(other).removeprefix(f"{path} ")
                    by_reason.setdefault(reason, []).append(str(path))
            count = sum(map(len, by_reason.values()))
            if not count:
                raise
            all_files = f"{count:,} of {len(self._paths):,} files"
            raise UserError(f"{all_files} cannot be used: {_describe(by_reason)}") from error

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        if size == self.image_shape[1::-1]:
            return
        actual, expected = (f"{w}x{h}" for w, h in (size, self.image_shape[1::-1]))
        raise UserError(
            f"{path} is {actual} but {self._paths[0]} is {expected}: set --image_size, or "
            "dataset.image_size in a config, to resize them"
        )


def _describe(by_reason: Mapping[str, list[str]]) -> str:
    """Return the files that cannot be used, by reason, for an error's line."""
    parts = [
        f"{files[0]} {reason}"
        if len(files) == 1
        else f"{join_names(files, _MOST_FILES)}: each {reason}"
        for reason, files in by_reason.items()
    ]
    parts.append("jaxcnn prepare --report=page.html lists them for dataset.exclude")
    return "; ".join(parts)

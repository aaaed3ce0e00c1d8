"""What the dataset builders share: checked content in, PNG records in array_record files out.

tfds' own builders encode images with TensorFlow; these hand over PNG bytes instead. Examples are
kept in the publisher's order.
"""

import dataclasses
import functools
import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import UrlInfo

from jaxcnn.data.pictures.content import Picture
from jaxcnn.data.places import VERSION, Place
from jaxcnn.data.preparing.download import download
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.files.owners import allow_unknown_owners

allow_unknown_owners()


_FILE_BYTES = 256 << 20  # of images in a file of records, before they are PNG
Record = tuple[int, dict[str, Any]]  # an example's number, and its features


@dataclasses.dataclass(frozen=True)
class Examples:
    """One split, checked.

    `images` are uint8 (h, w, c), one after the other; `labels` holds, for each label set, int
    (n,) class numbers or float32 (n, num_classes) distributions.
    """

    images: Iterable[np.ndarray]
    labels: dict[str, np.ndarray]

    @property
    def count(self) -> int:
        """The number of examples."""
        return len(next(iter(self.labels.values())))


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Nothing to fetch: these datasets are in no bucket."""


def feature_name(label_set: str) -> str:
    """The record's feature that holds a label set: "label", or e.g. "fine_label"."""
    return f"{label_set}_label" if label_set else "label"


class ImageBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """A dataset of images of one shape. A subclass says where it comes from and reads it.

    It is written file by file: tfds' other builder gathers a split in memory, and from a gigabyte
    on needs TensorFlow.
    """

    VERSION = tfds.core.Version(VERSION)
    description: ClassVar[str]
    homepage: ClassVar[str] = ""
    # By label set ("" where there is but one); numbers where the publisher's file has the names.
    class_names: Mapping[str, tuple[str, ...]]
    image_shape: tuple[int, int, int]
    # Of each file that a download consists of; empty where it must come from the user.
    url_infos: ClassVar[dict[str, UrlInfo]] = {}
    # The files to get by hand, and from where.
    to_get: ClassVar[str] = ""
    # Whether each of the publisher's files holds all of the dataset.
    needs_one_file: ClassVar[bool] = False

    # Set before download_and_prepare.
    reporter: Reporter
    files: Mapping[str, Path] | None = None  # of the user, by name; None to download
    pictures: Sequence[Picture] | None = None  # of a folder, in the order of the records
    instructions: str  # for a user without a network

    # The rules that `read` found for its pictures, see `data/reading.py`.
    reading: Mapping[str, Any] = {}

    @classmethod
    def at(cls, place: Place, data_dir: Path, reporter: Reporter) -> Self:
        """The builder of a dataset, to be written below `data_dir`."""
        builder = cls(data_dir=data_dir)
        builder.reporter = reporter
        return builder

    @classmethod
    def published_name(cls, path: Path) -> str:
        """The name by which `read` takes a file or folder of the user's; "" where it takes none."""
        return ""

    def read(self, files: Mapping[str, Path]) -> dict[str, Examples]:
        """The splits, read from the publisher's files and checked.

        Raises:
          UserError: a file is missing, damaged, or not what it should be.
        """
        raise NotImplementedError

    def label_feature(self, label_set: str) -> tfds.features.FeatureConnector:
        """The tfds feature of a label set."""
        return tfds.features.ClassLabel(names=self.class_names[label_set])

    def prepared_class_names(self) -> dict[str, tuple[str, ...]]:
        """The names of the classes, by label set, as they were prepared."""
        features = self.info.features
        stored = {key: features[feature_name(key)] for key in self.class_names}
        return {
            key: tuple(getattr(feature, "names", self.class_names[key]))
            for key, feature in stored.items()
        }

    def records(self, split: str) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """The prepared images, uint8 (h, w, c), and their labels by label set."""
        decoders = {"image": tfds.decode.SkipDecoding()}
        source = self.as_data_source(split, decoders=decoders)
        for record in self.reporter.track(source, len(source), f"caching {split}"):
            labels = {key: record[feature_name(key)] for key in self.class_names}
            yield decode_png(record["image"]), labels

    def _info(self) -> tfds.core.DatasetInfo:
        labels = {feature_name(key): self.label_feature(key) for key in self.class_names}
        image = tfds.features.Image(shape=self.image_shape, encoding_format="png")
        return _Info(
            builder=self,
            description=self.description,
            features=tfds.features.FeaturesDict({"image": image, **labels}),
            homepage=self.homepage,
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, list[Callable[[], Iterator[Record]]]]:
        files = self.files
        if files is None:
            files = download(
                self.name, dl_manager, self.url_infos, self.instructions, self.reporter
            )
        return {name: self._files_of(name, split) for name, split in self.read(files).items()}

    def _files_of(self, name: str, examples: Examples) -> list[Callable[[], Iterator[Record]]]:
        """What each file of a split holds; they are written one after the other."""
        in_a_file = max(1, _FILE_BYTES // math.prod(self.image_shape))
        num_files = max(1, -(-examples.count // in_a_file))
        records = self._records_of(name, examples)
        counts = [*[in_a_file] * (num_files - 1), None]
        return [functools.partial(itertools.islice, records, count) for count in counts]

    def _records_of(self, name: str, examples: Examples) -> Iterator[Record]:
        images = self.reporter.track(examples.images, examples.count, f"writing {name}")
        for index, image in enumerate(images):
            labels = {feature_name(key): row[index] for key, row in examples.labels.items()}
            yield index, {"image": encode_png(image), **labels}

    def _log_download_bytes(self) -> None:
        """Tfds prints sizes here that it does not know."""

    def _log_download_done(self) -> None:
        """Tfds prints the temporary directory here."""


def encode_png(image: np.ndarray) -> bytes:
    """A uint8 (h, w, 1 or 3) image as PNG, fast rather than small."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_png(data: bytes) -> np.ndarray:
    """The uint8 (h, w, c) image of a PNG."""
    image = np.asarray(Image.open(io.BytesIO(data)))
    return image[..., None] if image.ndim == 2 else image


def check_class_counts(
    labels: np.ndarray, expected: tuple[int, ...], split: str, names: tuple[str, ...]
) -> None:
    """Checks that int (n,) labels hold each class as often as the publisher says.

    Raises:
      ValueError: they do not; the line says in which class.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(expected):
        wrong = next(int(label) for label in labels if not 0 <= label < len(expected))
        raise ValueError(f"{split} has a label {wrong}; labels are 0 to {len(expected) - 1}")
    if len(labels) != sum(expected):
        raise ValueError(f"{split} holds {len(labels):,} images, not {sum(expected):,}")
    counts = np.bincount(labels, minlength=len(expected))
    for name, count, right in zip(names, counts, expected, strict=True):
        if count != right:
            raise ValueError(f"{split} holds {count:,} images of class {name}, not {right:,}")

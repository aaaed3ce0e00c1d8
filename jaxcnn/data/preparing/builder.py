"""The base class of dataset builders: it writes checked examples as PNG records of tfds.

tfds' own builders encode images with TensorFlow; this one passes PNG bytes instead. Examples keep
the publisher's order.
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

_FILE_BYTES = 256 << 20  # of the images in a file of records, before PNG compression
Record = tuple[int, dict[str, Any]]  # an example's number, and its features


@dataclasses.dataclass(frozen=True)
class SourceSplit:
    """A split as it was read from its source, checked.

    Attributes:
      images: uint8 (height, width, channels), one after the other.
      labels: by label set, int (n,) class numbers or float32 (n, num_classes) distributions.
    """

    images: Iterable[np.ndarray]
    labels: dict[str, np.ndarray]

    @property
    def count(self) -> int:
        """The number of examples."""
        return len(next(iter(self.labels.values())))


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Do nothing: these datasets are not in tfds' bucket."""


def feature_name(label_set: str) -> str:
    """Return the name of a record's feature for a label set: "label", or e.g. "fine_label"."""
    return f"{label_set}_label" if label_set else "label"


class ImageBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """A builder of a dataset whose images have one shape; a subclass reads the source.

    Records are written file by file. tfds' other builder gathers a split in memory, and needs
    TensorFlow from a gigabyte on.
    """

    VERSION = tfds.core.Version(VERSION)
    description: ClassVar[str]
    homepage: ClassVar[str] = ""
    # by label set, and (height, width, channels); see `registry.DatasetSpec`
    class_names: Mapping[str, tuple[str, ...]]
    image_shape: tuple[int, int, int]
    # the files of a download, by URL; empty if the user must get them
    url_infos: ClassVar[dict[str, UrlInfo]] = {}
    # the files that a user gets by hand, and their source
    to_get: ClassVar[str] = ""
    # whether each of the publisher's files holds the whole dataset
    needs_one_file: ClassVar[bool] = False

    # set before download_and_prepare
    reporter: Reporter
    files: Mapping[str, Path] | None = None  # the user's, by published name; None to download
    pictures: Sequence[Picture] | None = None  # a folder's, in the order of the records
    instructions: str  # for a user without a network

    # fields of the `Conversion` of its pictures, set by `read`
    conversion: Mapping[str, Any] = {}
    # sizes, modes and formats of its pictures' files, see `summarize`
    facts: Mapping[str, Any] | None = None

    @classmethod
    def at(cls, place: Place, data_dir: Path, reporter: Reporter) -> Self:
        """Return the builder of a place's dataset, which writes below `data_dir`."""
        builder = cls(data_dir=data_dir)
        builder.reporter = reporter
        return builder

    @classmethod
    def published_name(cls, path: Path) -> str:
        """Return the published name of a user's file or folder; "" if `read` does not use it."""
        return ""

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits, read from the publisher's files and checked.

        Args:
          files: by published name.

        Raises:
          UserError: a file is missing, damaged, or not the published one.
        """
        raise NotImplementedError

    def label_feature(self, label_set: str) -> tfds.features.FeatureConnector:
        """Return the tfds feature of a label set."""
        return tfds.features.ClassLabel(names=self.class_names[label_set])

    def prepared_class_names(self) -> dict[str, tuple[str, ...]]:
        """Return the class names by label set, including those that the publisher's files gave."""
        features = self.info.features
        stored = {key: features[feature_name(key)] for key in self.class_names}
        return {
            key: tuple(getattr(feature, "names", self.class_names[key]))
            for key, feature in stored.items()
        }

    def counts(self) -> dict[str, int]:
        """Return the number of prepared examples by split."""
        return {split: info.num_examples for split, info in self.info.splits.items()}

    def records(self, split: str) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield the prepared images, uint8 (h, w, c), and their labels by label set."""
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
        splits = self.read(files)
        return {name: self._record_files(name, split) for name, split in splits.items()}

    def _record_files(self, name: str, split: SourceSplit) -> list[Callable[[], Iterator[Record]]]:
        """Return the records of each file of a split; tfds writes the files in this order."""
        per_file = max(1, _FILE_BYTES // math.prod(self.image_shape))
        num_files = max(1, -(-split.count // per_file))
        records = self._records_of(name, split)
        counts = [*[per_file] * (num_files - 1), None]
        return [functools.partial(itertools.islice, records, count) for count in counts]

    def _records_of(self, name: str, split: SourceSplit) -> Iterator[Record]:
        images = self.reporter.track(split.images, split.count, f"writing {name}")
        for index, image in enumerate(images):
            labels = {feature_name(key): row[index] for key, row in split.labels.items()}
            yield index, {"image": encode_png(image), **labels}

    def _log_download_bytes(self) -> None:
        """Do nothing; tfds would print sizes that it does not know."""

    def _log_download_done(self) -> None:
        """Do nothing; tfds would print the temporary directory."""


def encode_png(image: np.ndarray) -> bytes:
    """Return a uint8 (height, width, 1 or 3) image as PNG, compressed fast rather than well."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_png(data: bytes) -> np.ndarray:
    """Return the uint8 (height, width, channels) image of a PNG."""
    image = np.asarray(Image.open(io.BytesIO(data)))
    return image[..., None] if image.ndim == 2 else image


def check_class_counts(
    labels: np.ndarray, expected: tuple[int, ...], split: str, names: tuple[str, ...]
) -> None:
    """Check that each class has its published number of images.

    Args:
      labels: int (n,).
      expected: number of images by class.
      split: name of the split, for the message.
      names: of the classes.

    Raises:
      ValueError: a number is wrong; the line names the class.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(expected):
        unknown = next(int(label) for label in labels if not 0 <= label < len(expected))
        raise ValueError(f"{split} has a label {unknown}; labels are 0 to {len(expected) - 1}")
    if len(labels) != sum(expected):
        raise ValueError(f"{split} holds {len(labels):,} images, not {sum(expected):,}")
    counts = np.bincount(labels, minlength=len(expected))
    for name, count, published in zip(names, counts, expected, strict=True):
        if count != published:
            raise ValueError(f"{split} holds {count:,} images of class {name}, not {published:,}")

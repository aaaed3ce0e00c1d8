"""CIFAR-10 and CIFAR-100, from the python or the binary variant of the publisher's files.

References:
  Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
  https://www.cs.toronto.edu/~kriz/cifar.html
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.preparing.archives import pick, read_members, refusing, require
from jaxcnn.data.preparing.builder import (
    ImageBuilder,
    SourceSplit,
    check_class_counts,
    feature_name,
)
from jaxcnn.data.preparing.finding import unpacked_name
from jaxcnn.data.preparing.pickles import read_pickle

_PIXELS = 3 * 32 * 32
_URL = "https://www.cs.toronto.edu/~kriz/"


@dataclasses.dataclass(frozen=True)
class _Variant:
    """The files of a published variant."""

    archive: str
    folder: str  # the one folder in the archive
    splits: dict[str, tuple[str, ...]]  # files by split
    # by label set: the file with its class names, and their key in that file ("" in a text file);
    # a binary record begins with its labels in this order
    names: dict[str, tuple[str, str]]

    @property
    def members(self) -> list[str]:
        """The names of its files."""
        batches = [name for names in self.splits.values() for name in names]
        return list(dict.fromkeys([*batches, *(name for name, _ in self.names.values())]))

    @property
    def is_pickled(self) -> bool:
        """True if its files are pickles."""
        return "python" in self.archive


class _Cifar(ImageBuilder, skip_registration=True):
    homepage = _URL + "cifar.html"
    needs_one_file = True
    variants: ClassVar[tuple[_Variant, _Variant]]
    label_keys: ClassVar[dict[str, str]]  # keys in the pickles, by label set
    # by split, the number of images of each class of the first label set
    class_counts: ClassVar[dict[str, tuple[int, ...]]]

    @classmethod
    def published_name(cls, path: Path) -> str:
        """Return the published name of a user's file or folder; "" if `read` does not use it.

        Keras names the archive after the folder that it unpacks to.
        """
        for variant in cls.variants:
            if not path.is_dir():
                names = (unpacked_name(variant.archive), variant.folder)
                if unpacked_name(path.name) in names and path.is_file():
                    return variant.archive
                continue
            is_present = [(path / name).is_file() for name in variant.members]
            if all(is_present) or (any(is_present) and path.name == variant.folder):
                return variant.folder
        return ""

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits, from either variant, packed or unpacked."""
        variants = {name: v for v in self.variants for name in (v.archive, v.folder)}
        name, path = pick(files, *variants)
        variant = variants[name]
        self.reporter.say(f"reading {path}")
        members = read_members(path, variant.members)
        with refusing(path):
            names = self._read_names(variant, members)
            splits = {}
            for split, batches in variant.splits.items():
                splits[split] = self._read_split(variant, [members[name] for name in batches])
                self._check(split, splits[split].labels, names)
        for label_set, class_names in names.items():
            if class_names != self.class_names[label_set]:  # only CIFAR-100's can differ
                self.info.features[feature_name(label_set)].names = class_names
        return splits

    def _read_names(self, variant: _Variant, members: dict[str, bytes]) -> dict[str, tuple]:
        names = {}
        for label_set, (member, key) in variant.names.items():
            lines = read_pickle(members[member])[key] if key else members[member].splitlines()
            require(isinstance(lines, list), f"{member} has no list called {key}")
            names[label_set] = tuple(_text(line) for line in lines if line)
            self._check_names(label_set, names[label_set])
        return names

    def _check_names(self, label_set: str, names: tuple[str, ...]) -> None:
        expected = self.class_names[label_set]
        require(names == expected, f"its classes are not those of {self.description}")

    def _read_split(self, variant: _Variant, batches: list[bytes]) -> SourceSplit:
        read = self._read_pickled if variant.is_pickled else self._read_binary
        parts = [read(variant, data) for data in batches]
        pixels = np.concatenate([pixels for pixels, _ in parts])
        labels = {key: np.concatenate([part[key] for _, part in parts]) for key in parts[0][1]}
        return SourceSplit(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels)

    def _read_pickled(self, _: _Variant, data: bytes) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        batch = read_pickle(data)
        pixels = batch.get("data")
        if not isinstance(pixels, np.ndarray) or pixels.shape[1:] != (_PIXELS,):
            raise ValueError(f"a batch has no uint8 data of {_PIXELS} columns")
        labels = {}
        for label_set, key in self.label_keys.items():
            values = batch.get(key)
            if not isinstance(values, list) or any(type(value) is not int for value in values):
                raise ValueError(f"a batch has no list of whole numbers called {key}")
            require(len(values) == len(pixels), f"{len(values)} {key} for {len(pixels)} images")
            labels[label_set] = np.array(values, np.int64)
        return pixels, labels

    def _read_binary(
        self, variant: _Variant, data: bytes
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        length = len(variant.names) + _PIXELS
        require(
            len(data) % length == 0,
            f"{len(data)} bytes are not a multiple of {length}, the length of a record",
        )
        records = np.frombuffer(data, np.uint8).reshape(-1, length)
        labels = {key: records[:, i].astype(np.int64) for i, key in enumerate(variant.names)}
        return records[:, len(labels) :], labels

    def _check(self, split: str, labels: dict[str, np.ndarray], names: dict[str, tuple]) -> None:
        first = next(iter(self.class_names))
        check_class_counts(labels[first], self.class_counts[split], split, names[first])


def _text(name: Any) -> str:
    text = name.decode("ascii") if isinstance(name, bytes) else name
    is_valid = isinstance(text, str) and text.isprintable() and len(text) <= 64
    require(is_valid, "a class name is not a line of text")
    return text


class Cifar10(_Cifar):
    """CIFAR-10: 32x32 color images of 10 classes, 50,000 for training and 10,000 for test."""

    name = "jaxcnn_cifar10"
    description = "CIFAR-10"
    class_names = DATASETS["cifar10"].class_names
    image_shape = DATASETS["cifar10"].image_shape
    class_counts = {"train": (5000,) * 10, "test": (1000,) * 10}
    label_keys = {"": "labels"}
    variants = (
        _Variant(
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py",
            {
                "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
                "test": ("test_batch",),
            },
            {"": ("batches.meta", "label_names")},
        ),
        _Variant(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            {
                "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
                "test": ("test_batch.bin",),
            },
            {"": ("batches.meta.txt", "")},
        ),
    )
    to_get = f"cifar-10-python.tar.gz or cifar-10-binary.tar.gz from {_Cifar.homepage}"
    url_infos = {
        f"{_URL}cifar-10-binary.tar.gz": UrlInfo(
            size=170052171,
            checksum="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            filename="cifar-10-binary.tar.gz",
        )
    }


class Cifar100(_Cifar):
    """CIFAR-100: 32x32 color images of 100 fine classes, five in each of 20 coarse classes.

    Each fine class has 500 images for training and 100 for test.
    """

    name = "jaxcnn_cifar100"
    description = "CIFAR-100"
    class_names = DATASETS["cifar100"].class_names
    image_shape = DATASETS["cifar100"].image_shape
    class_counts = {"train": (500,) * 100, "test": (100,) * 100}
    label_keys = {"fine": "fine_labels", "coarse": "coarse_labels"}
    variants = (
        _Variant(
            "cifar-100-python.tar.gz",
            "cifar-100-python",
            {"train": ("train",), "test": ("test",)},
            {"coarse": ("meta", "coarse_label_names"), "fine": ("meta", "fine_label_names")},
        ),
        _Variant(
            "cifar-100-binary.tar.gz",
            "cifar-100-binary",
            {"train": ("train.bin",), "test": ("test.bin",)},
            {"coarse": ("coarse_label_names.txt", ""), "fine": ("fine_label_names.txt", "")},
        ),
    )
    to_get = f"cifar-100-python.tar.gz or cifar-100-binary.tar.gz from {_Cifar.homepage}"
    url_infos = {
        f"{_URL}cifar-100-binary.tar.gz": UrlInfo(
            size=168513733,
            checksum="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            filename="cifar-100-binary.tar.gz",
        )
    }

    def label_feature(self, label_set: str) -> tfds.features.ClassLabel:
        """Return the feature without class names, which come from the archive."""
        return tfds.features.ClassLabel(num_classes=len(self.class_names[label_set]))

    def _check_names(self, label_set: str, names: tuple[str, ...]) -> None:
        expected = len(self.class_names[label_set])
        is_valid = len(names) == len(set(names)) == expected
        require(is_valid, f"it does not name {expected} {label_set} classes")

    def _check(self, split: str, labels: dict[str, np.ndarray], names: dict[str, tuple]) -> None:
        super()._check(split, labels, names)
        require(int(labels["coarse"].max()) < 20, f"{split} has a coarse label above 19")
        require(int(labels["coarse"].min()) >= 0, f"{split} has a negative coarse label")
        pairs = np.unique(np.stack([labels["fine"], labels["coarse"]]), axis=1)
        for fine in np.flatnonzero(np.bincount(pairs[0]) > 1):
            raise ValueError(f"{split} has images of {names['fine'][fine]} in two coarse classes")

"""MNIST, from the publisher's four IDX files, packed (.gz) or unpacked.

References:
  LeCun, Cortes, Burges, The MNIST Database of Handwritten Digits. http://yann.lecun.com/exdb/mnist/
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from tensorflow_datasets.core.download.checksums import UrlInfo

from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.preparing.archives import pick, read_file, refusing, require
from jaxcnn.data.preparing.builder import ImageBuilder, SourceSplit, check_class_counts

_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_IMAGES, _LABELS = 2051, 2049  # magic numbers, the first four bytes of a file
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Mnist(ImageBuilder):
    """MNIST: 28x28 gray digits, 60,000 for training and 10,000 for test."""

    name = "jaxcnn_mnist"
    description = "MNIST"
    homepage = "http://yann.lecun.com/exdb/mnist/"
    class_names = DATASETS["mnist"].class_names
    image_shape = DATASETS["mnist"].image_shape
    # they tell MNIST from other datasets whose files have the same names
    class_counts: ClassVar[dict[str, tuple[int, ...]]] = {
        "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    }
    to_get = f"{', '.join(f'{name}.gz' for pair in _FILES.values() for name in pair)} from {_URL}"
    url_infos = {
        f"{_URL}{name}": UrlInfo(size=size, checksum=checksum, filename=name)
        for name, size, checksum in (
            (
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        )
    }

    @classmethod
    def published_name(cls, path: Path) -> str:
        """Return the published name of a user's file; "" if `read` does not use it.

        The file's own name may have ".idx" for "-idx".
        """
        name = path.name.replace(".idx", "-idx")
        is_known = name.removesuffix(".gz") in (name for pair in _FILES.values() for name in pair)
        return name if is_known and path.is_file() else ""

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits, from the four files."""
        splits = {}
        for split, names in _FILES.items():
            images_path, labels_path = (pick(files, f"{name}.gz", name)[1] for name in names)
            self.reporter.say(f"reading {images_path} and {labels_path}")
            with refusing(images_path):
                images = read_idx(read_file(images_path), _IMAGES)
                require(
                    images.shape[1:] == (28, 28), f"its images are {images.shape[1:]}, not (28, 28)"
                )
            with refusing(labels_path):
                labels = read_idx(read_file(labels_path), _LABELS).astype(np.int64)
                require(
                    len(labels) == len(images), f"{len(labels)} labels for {len(images)} images"
                )
                check_class_counts(labels, self.class_counts[split], split, self.class_names[""])
            splits[split] = SourceSplit(images[..., None], {"": labels})
        return splits


def read_idx(data: bytes, magic: int) -> np.ndarray:
    """Return the uint8 array of an IDX file: big-endian magic number and sizes, then bytes.

    Args:
      data: the file's content.
      magic: the expected magic number; its last byte is the number of dimensions.

    Raises:
      ValueError: the magic number differs, or the length does not fit the header.
    """
    rank = magic & 0xFF
    require(len(data) >= 4 + 4 * rank, "it ends within its header")
    found_magic, *shape = struct.unpack(f">{1 + rank}I", data[: 4 + 4 * rank])
    require(found_magic == magic, f"its magic number is {found_magic}, not {magic}")
    expected, length = int(np.prod([int(n) for n in shape], dtype=object)), len(data) - 4 - 4 * rank
    require(length == expected, f"its header says {expected} bytes, but there are {length}")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)

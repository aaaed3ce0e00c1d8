"""The examples of a dataset's split, as arrays."""

import dataclasses
import functools
import os
from pathlib import Path

import numpy as np

from jaxcnn.data.preparing.cache import array_digest, joined_digest


@dataclasses.dataclass(frozen=True)
class Split:
    """The examples of a split.

    Attributes:
      images: uint8 (n, height, width, channels), memory-mapped or a user's array in memory.
      labels: int32 (n,), or float32 (n, num_classes) distributions.
      recorded_digest: the digest in the cache; without it `digest` reads the arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    recorded_digest: str = ""

    @property
    def image_file(self) -> tuple[Path, int]:
        """The file of memory-mapped images, and the offset of the first image in it."""
        images = self.images
        if not isinstance(images, np.memmap) or images.filename is None:
            raise TypeError("the images are not memory-mapped")
        return Path(images.filename), images.offset

    @functools.cached_property
    def inode(self) -> int:
        """The inode of the images' file at the first access."""
        return os.stat(self.image_file[0]).st_ino

    @functools.cached_property
    def digest(self) -> str:
        """Digest of images and labels, hex digits; equal for equal values only."""
        labels = np.asarray(self.labels)
        return self.recorded_digest or joined_digest(
            array_digest(self.images), array_digest(labels)
        )

"""scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels that need no download.

References:
  Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.grouping import stratified_test
from jaxcnn.data.preparing.builder import ImageBuilder, SourceSplit


class Digits(ImageBuilder):
    """scikit-learn's digits: 1,438 for training and 359 for test, split with a fixed seed."""

    name = "jaxcnn_digits"
    description = "scikit-learn's digits"
    homepage = "https://archive.ics.uci.edu/dataset/80"
    class_names = DATASETS["digits"].class_names
    image_shape = DATASETS["digits"].image_shape
    files: Mapping[str, Path] | None = {}  # the images come with scikit-learn

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits, from scikit-learn."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        labels = digits.target.astype(np.int64)
        is_test = stratified_test(labels)
        return {
            "train": SourceSplit(images[~is_test], {"": labels[~is_test]}),
            "test": SourceSplit(images[is_test], {"": labels[is_test]}),
        }

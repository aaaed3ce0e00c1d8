"""scikit-learn's digits: 1,797 real handwritten 8×8 digits that need no download.

References:
  Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcnn.data.preparing.builder import Examples, ImageBuilder

_SEED = 0
_TEST_FRACTION = 0.2


class Digits(ImageBuilder):
    """scikit-learn's digits: 8×8 grey, 1,438 and 359, split by class and a fixed seed."""

    name = "jaxcnn_digits"
    description = "scikit-learn's digits"
    homepage = "https://archive.ics.uci.edu/dataset/80"
    image_shape = (8, 8, 1)
    class_names = {"": tuple("0123456789")}
    files: Mapping[str, Path] = {}  # they come with scikit-learn

    def read(self, files: Mapping[str, Path]) -> dict[str, Examples]:
        """The splits, from scikit-learn."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        labels = digits.target.astype(np.int64)
        is_test = stratified_test(labels, _TEST_FRACTION, _SEED)
        return {
            "train": Examples(images[~is_test], {"": labels[~is_test]}),
            "test": Examples(images[is_test], {"": labels[is_test]}),
        }


def stratified_test(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which examples are test: bool (n,), the same fraction of each class of int (n,) labels, and
    at least one where it has two."""
    random = np.random.default_rng(seed)
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(round(fraction * len(members)), min(1, len(members) - 1))
        is_test[random.permutation(members)[:count]] = True
    return is_test

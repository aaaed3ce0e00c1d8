"""The datasets that a user's functions return, resized if the config asks for it."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from PIL import Image

from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.data.datasets.registry import OWN_DATASETS
from jaxcnn.data.image_size import ImageSize, height_and_width
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.preparing.cache import pixel_statistics, statistics_fields
from jaxcnn.errors import UserError


def load_own(name: str, *, label_set: str = "", image_size: ImageSize = 0) -> Dataset:
    """Return a dataset that the user's function of this name makes; see `load_dataset`.

    The function is called once in a process.

    Raises:
      UserError: the function has an error, or does not return a `Dataset`.
    """
    if label_set:
        raise UserError(f"{name} has no label set {label_set!r}: it has only one")
    dataset = _make(OWN_DATASETS[name])
    if not isinstance(dataset, Dataset):
        kind = type(dataset).__name__
        raise OWN_DATASETS.parts[name].fault(f"must return a jaxcnn.Dataset, not {kind}")
    dataset = dataclasses.replace(dataset, name=name, is_of_arrays=False)
    if not image_size or dataset.image_shape[:2] == height_and_width(image_size):
        return dataset
    return _resized(dataset, height_and_width(image_size))


@functools.cache
def _make(function: Callable[[], Dataset]) -> Dataset:
    return function()


def _resized(dataset: Dataset, size: tuple[int, int]) -> Dataset:
    """Return a dataset with images of another height and width, see `fit`."""
    splits = {
        name: Split(np.stack([_resize(image, size) for image in split.images]), split.labels)
        for name, split in dataset.splits.items()
    }
    statistics = statistics_fields(pixel_statistics(splits["train"].images))
    return dataclasses.replace(dataset, splits=splits, **statistics)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image uint8 (height, width, channels) in another size, channel by channel."""
    channels = [Image.fromarray(channel) for channel in np.moveaxis(image, -1, 0)]
    return np.concatenate([fit(channel, (*size, 1)) for channel in channels], axis=-1)

"""The dataset that a config names: loaded, checked against the config, or known by its sizes."""

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.class_selection import select_classes, selected_names
from jaxcnn.data.dataset import Dataset, load_dataset
from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.image_size import ImageSize, height_and_width
from jaxcnn.errors import UserError


def load_data(config: ConfigDict) -> Dataset:
    """Return the dataset of a config, prepared if necessary.

    Raises:
      UserError: it cannot be prepared, or does not fit the config.
    """
    dataset = _load(config.dataset)
    check_data(config, dataset)
    return dataset


def _load(dataset: ConfigDict) -> Dataset:
    loaded = load_dataset(
        dataset.name,
        data_dir=dataset.data_dir or None,
        label_set=dataset.label_set,
        image_size=image_size_of(dataset),
        split=dataset.split,
        exclude=dataset.exclude,
        fit=dataset.fit,
    )
    return select_classes(loaded, dataset.classes)


def image_size_of(dataset: ConfigDict) -> ImageSize:
    """Return the image size in the `dataset` part of a config."""
    side, width = dataset.image_size, dataset.image_width
    return (side, width) if width not in (0, side) else side


def check_data(config: ConfigDict, dataset: Dataset) -> None:
    """Check that a dataset fits a config.

    Raises:
      UserError: the images are too small for an augmentation, or they are not in a file from which
        they could be streamed.
    """
    in_memory = not all(isinstance(split.images, np.memmap) for split in dataset.splits.values())
    if config.dataset.streaming and in_memory:
        raise UserError(
            "config.dataset.streaming = True: the images are in memory; set it to False, or make "
            'the dataset of images from np.load(FILE, mmap_mode="r"), with '
            "config.dataset.image_size = 0, their own size"
        )
    side = min(dataset.image_shape[:2])
    for name in ("crop", "cutout"):
        if config.augment[name] >= side:
            raise UserError(
                f"config.augment.{name} = {config.augment[name]}: must be less than {side}, the "
                "smaller side of an image in pixels"
            )


def dataset_sizes(dataset: ConfigDict) -> tuple[int, tuple[int, int, int]]:
    """Return the number of classes and the image shape of a config's dataset.

    A dataset of jaxcnn needs no files for it; a folder of images and a user's dataset are loaded.

    Args:
      dataset: the `dataset` part of a config.

    Raises:
      UserError: the dataset cannot be loaded.
    """
    if dataset.name in DATASETS:
        spec = DATASETS[dataset.name]
        height, width, channels = spec.image_shape
        size = image_size_of(dataset)
        height, width = height_and_width(size) if size else (height, width)
        num_classes = len(selected_names(dataset.classes)) or spec.num_classes(dataset.label_set)
        return num_classes, (height, width, channels)
    loaded = _load(dataset)
    return loaded.num_classes, loaded.image_shape

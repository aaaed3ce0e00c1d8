"""A dataset as arrays: a user's, or uint8 images that are memory-mapped from a cache.

Loading a prepared dataset needs neither tfds nor an image library.
"""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.config.picture_settings import check_picture_settings
from jaxcnn.data import arrays
from jaxcnn.data.counts import count_table
from jaxcnn.data.datasets.registry import OWN_DATASETS
from jaxcnn.data.image_size import ImageSize, arrays_name, height_and_width
from jaxcnn.data.pictures.content import Picture, read_picture_list
from jaxcnn.data.places import Place, dataset_names, find_place
from jaxcnn.data.preparing.cache import (
    images_path,
    joined_digest,
    labels_path,
    pick_label_set,
    pictures_path,
    pixel_statistics,
    read_info,
    split_digests,
    statistics_fields,
)
from jaxcnn.data.preparing.versions import hold
from jaxcnn.data.split import Split
from jaxcnn.errors import UserError

__all__ = ["Dataset", "Split", "dataset_names", "load_dataset"]


@dataclasses.dataclass(frozen=True, repr=False)
class Dataset:
    """The images and labels of a dataset, with the statistics that scale its pixels.

    `load_dataset` and `Dataset.from_arrays` make one.

    Attributes:
      name: the name that `load_dataset` takes.
      class_names: the names of the classes, in the order of the labels.
      splits: the examples by split: "train", "test", and "validation" if the publisher has one.
      pixel_mean: mean of each channel over the training split, float32 (channels,), 0 to 255.
      pixel_std: standard deviation of each channel, float32 (channels,).
      scalar_mean: mean over all pixels of the training split.
      scalar_std: standard deviation over all pixels of the training split.
      pictures: the files of the user's pictures in the order of the examples, split after split;
        None for other datasets.
      conversion: the fields of the pictures' `Conversion`; None if the cache records none.
      facts: sizes, modes and formats of the pictures' files; None if the cache records none.
      is_of_arrays: True for a user's arrays, which no name can load again.
      settings: the fields of a config's `dataset` that `load_dataset` was given; empty for arrays.
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    pixel_mean: np.ndarray
    pixel_std: np.ndarray
    scalar_mean: float
    scalar_std: float
    pictures: tuple[Picture, ...] | None = None
    conversion: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] | None = None
    is_of_arrays: bool = False
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        train: tuple[Any, Any],
        test: tuple[Any, Any] | None = None,
        validation: tuple[Any, Any] | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """Return a dataset of arrays in memory: NumPy's, or others that NumPy can convert.

        The arrays are copied, except images from `np.load(FILE, mmap_mode="r")`. Those stay on the
        disk, so `config.dataset.streaming` can read them.

        Args:
          train: images and labels. Images are uint8 (n, height, width) or (n, height, width,
            channels), 0 to 255; labels are integers (n,) that count from 0, or float distributions
            (n, num_classes).
          test: images and labels, of the same shapes; each run needs them for its test.
          validation: images and labels for `config.validation = "validation"`.
          class_names: in the order of the labels; by default "0", "1", …, if a label is 0.
          name: the name of the dataset in reports and comparisons.

        Raises:
          UserError: an array is missing, has another dtype or shape, or does not fit the others.
        """
        names = None if class_names is None else arrays.check_class_names(class_names)
        num_classes = None if names is None else len(names)
        pairs = {"train": train, "validation": validation, "test": test}
        splits = {
            split: _split_of_arrays(split, pair, num_classes)
            for split, pair in pairs.items()
            if pair is not None or split == "test"
        }
        labels = {split: rows.labels for split, rows in splits.items()}
        arrays.check_same_kind({split: rows.images for split, rows in splits.items()}, labels)
        return cls(
            name=arrays.check_name(name),
            class_names=names or arrays.default_class_names(labels),
            splits=splits,
            **statistics_fields(pixel_statistics(splits["train"].images)),
            is_of_arrays=True,
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of the class names and all splits' images and labels, 32 hex digits."""
        splits = (f"{name} {split.digest}" for name, split in sorted(self.splits.items()))
        return joined_digest(repr(self.class_names), *splits)[:32]

    def groups(self, split: str) -> np.ndarray | None:
        """Return the group of each example of a split (n,), "" for none; None without groups."""
        groups = [picture.group for picture in self.pictures or () if picture.split == split]
        return np.array(groups) if any(groups) else None

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (height, width, channels) of an image."""
        return self.splits["train"].images.shape[1:]

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows.labels):,} {split}" for split, rows in self.splits.items())
        shape = "x".join(map(str, self.image_shape))
        return f"Dataset({self.name!r}: {counts} images of {shape}, {self.num_classes} classes)"


def _split_of_arrays(split: str, pair: Any, num_classes: int | None) -> Split:
    """Return a split of a user's (images, labels)."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        problem = "is missing" if pair is None else f"is {type(pair).__name__}"
        raise UserError(f"{split}: {problem}; it must be a pair (images, labels)")
    images = arrays.check_images(split, pair[0])
    return Split(images, arrays.check_labels(split, pair[1], len(images), num_classes))


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    label_set: str = "",
    image_size: ImageSize = 0,
    split: str = "content",
    exclude: str = "",
    fit: str = "crop",
) -> Dataset:
    """Return a dataset; the first call prepares it, which takes up to two minutes.

    Images are uint8 (n, height, width, channels), memory-mapped from a cache.

    Args:
      name: one of `dataset_names()`; or `folder:PATH` for a folder of images, `table:PATH` for a
        table of pictures and labels, or `tfds:NAME` for a set of tensorflow-datasets.
      data_dir: the folder of prepared datasets; by default `$TFDS_DATA_DIR`, else
        `~/tensorflow_datasets`.
      label_set: the labels of cifar100: "fine", the default, or "coarse".
      image_size: the side, or (height, width), to resize to (bilinear); 0 for the dataset's own.
      split: the rule for the test split of pictures without one, "content" or "shuffle"; or a
        table with the columns path and split. For `tfds:NAME` also its splits for training, test
        and perhaps validation, such as "train[:80%],train[80%:]".
      exclude: a text file with the paths of pictures to leave out.
      fit: how pictures of other proportions are fitted to the image size: "crop", "stretch", "pad",
        "pad:edge" or "pad:#rrggbb". The images of other datasets are cropped.

    Raises:
      UserError: there is no such dataset or label set, it does not take a setting, or it cannot be
        prepared.
    """
    dataset = _load(name, data_dir, label_set, image_size, split, exclude, fit)
    height, width = height_and_width(image_size)
    settings = {"split": split, "exclude": exclude, "image_size": height, "image_width": width}
    if data_dir:
        settings["data_dir"] = os.fspath(data_dir)
    return dataclasses.replace(dataset, settings=settings)


def _load(
    name: str,
    data_dir: str | os.PathLike | None,
    label_set: str,
    image_size: ImageSize,
    split: str,
    exclude: str,
    fit: str,
) -> Dataset:
    """Return a dataset; see `load_dataset`."""
    if name in OWN_DATASETS:
        from jaxcnn.data.own_dataset import load_own

        settings = {"name": name, "split": split, "exclude": exclude, "fit": fit}
        check_picture_settings(settings)
        return load_own(name, label_set=label_set, image_size=image_size)
    place = find_place(name, data_dir, image_size, split, exclude, fit)
    is_new = not place.is_prepared()
    dataset = load_place(place, label_set)
    if is_new:
        from jaxcnn.data.preparing.reporter import show

        show(count_table(dataset))
    if not image_size or dataset.image_shape[:2] == height_and_width(image_size):
        return dataset
    resized = place.directory / arrays_name(image_size, dataset.image_shape[:2])
    if read_info(resized) is None:
        from jaxcnn.data.preparing.resizing import write_resized

        label_sets = (read_info(place.arrays) or {})["class_names"]
        by_label_set = {key: read_arrays(place.arrays, key).splits for key in label_sets}
        write_resized(place, resized, image_size, by_label_set)
    return read_arrays(resized, label_set, name)


def load_place(place: Place, label_set: str = "") -> Dataset:
    """Return the dataset of a place, prepared if necessary.

    No process replaces it on disk while this one lives.
    """
    while True:
        if not place.is_prepared():
            from jaxcnn.data.preparing.prepare import prepare_at

            prepare_at(place)
        if hold(place.directory):  # else another process has just removed it
            return read_arrays(place.arrays, label_set, place.name)


def read_arrays(directory: Path, label_set: str, name: str = "") -> Dataset:
    """Return the dataset of a directory of arrays, under a name; "" for the one in its record."""
    info = read_info(directory) or {}
    try:
        label_set = pick_label_set(info, label_set)
        digests = split_digests(directory, info, label_set)
        splits = {
            split: Split(
                np.load(images_path(directory, split), mmap_mode="r"),
                np.load(labels_path(directory, split, label_set)),
                digests[split],
            )
            for split in info["splits"]
        }
        pictures = pictures_path(directory)
        return Dataset(
            name=name or info["name"],
            class_names=tuple(info["class_names"][label_set]),
            splits=splits,
            **statistics_fields(info),
            pictures=read_picture_list(pictures) if pictures.exists() else None,
            conversion=info.get("reading"),
            facts=info.get("facts"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the cache {directory} is damaged ({error}); delete it") from error

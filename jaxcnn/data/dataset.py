"""A dataset as arrays: uint8 images, memory-mapped from a cache beside tfds' files.

Reading what is prepared needs neither tfds nor an image library.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.data.counts import count_table
from jaxcnn.data.pictures.content import Picture, read_pictures
from jaxcnn.data.places import Place, dataset_names, find_place, find_versions
from jaxcnn.data.preparing.cache import (
    Record,
    array_digest,
    images_path,
    joined_digest,
    labels_path,
    pictures_path,
    read_info,
    split_digests,
    write_cache,
)
from jaxcnn.data.preparing.versions import hold
from jaxcnn.errors import UserError

if TYPE_CHECKING:
    from jaxcnn.data.preparing.reporter import Reporter


__all__ = ["Dataset", "Split", "dataset_names", "load_dataset"]


@dataclasses.dataclass(frozen=True)
class Split:
    """Images uint8 (n, h, w, c), memory-mapped; labels int32 (n,) or float32 (n, num_classes).

    `known_digest` is the digest as the cache knows it; without it `digest` reads the arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    known_digest: str = ""

    @functools.cached_property
    def inode(self) -> int:
        """The number of the images' file, when it was first asked for."""
        return os.stat(self.images.filename).st_ino

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the images and labels, hex: equal for equal values only."""
        labels = np.asarray(self.labels)
        return self.known_digest or joined_digest(array_digest(self.images), array_digest(labels))


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset: its splits by name, and the statistics of the train split.

    The splits are "train", "test", and "validation" where the publisher has one. Means and
    standard deviations are in the units of the pixels, 0 to 255: float32 (channels,) for each
    channel, and one number over all pixels. `pictures` lists the files of a folder of images in
    the order of the examples, split after split; None for other datasets. `reading` holds the rules
    that the pictures were read by, see `data/reading.py`; None where the set was prepared before
    there were any.
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    pixel_mean: np.ndarray
    pixel_std: np.ndarray
    scalar_mean: float
    scalar_std: float
    pictures: tuple[Picture, ...] | None = None
    reading: Mapping[str, Any] | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of the class names and of every split's images and labels, 32 hex digits."""
        splits = (f"{name} {split.digest}" for name, split in sorted(self.splits.items()))
        return joined_digest(repr(self.class_names), *splits)[:32]

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.splits["train"].images.shape[1:]


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    label_set: str = "",
    image_size: int = 0,
    split: str = "content",
) -> Dataset:
    """The dataset `name`; prepared first if it is not yet, which takes up to two minutes.

    Args:
      name: one of `dataset_names()`, or `folder:PATH` for a folder of images.
      data_dir: where prepared datasets lie; else $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      label_set: of cifar100, "fine" (also the default) or "coarse".
      image_size: height and width to resize to (bilinear); 0 for the dataset's own.
      split: how the test split of a folder without one is chosen, "content" or "shuffle".

    Raises:
      UserError: no such dataset or label set, or it cannot be prepared.
    """
    place = find_place(name, data_dir, image_size, split)
    is_new = not place.is_prepared()
    dataset = load_place(place, label_set)
    if is_new:
        print(count_table(dataset), flush=True)
    if not image_size or dataset.image_shape[:2] == (image_size, image_size):
        return dataset
    resized = place.directory / f"arrays-{image_size}"
    if read_info(resized) is None:
        _write_resized(place, resized, image_size)
    return _read(resized, label_set)


def load_pictures(
    name: str,
    pictures: Sequence[Picture],
    fingerprint: str,
    *,
    data_dir: str | os.PathLike | None = None,
    image_size: int = 0,
    reuse: bool = True,
) -> Dataset:
    """The dataset of the listed pictures, whatever else the folder `name` holds by now.

    With `reuse` a version that is prepared already is found by its fingerprint, also if the folder
    is gone; without it the folder must hold the pictures.

    Raises:
      UserError: pictures of the list are gone or changed.
    """
    for directory in find_versions(data_dir) if reuse else ():
        with contextlib.suppress(UserError):  # a damaged one
            dataset = _read(directory, "")
            if dataset.fingerprint == fingerprint and hold(directory.parent):
                return dataclasses.replace(dataset, name=name)
    return load_place(find_place(name, data_dir, image_size, pictures=tuple(pictures)))


def load_place(place: Place, label_set: str = "") -> Dataset:
    """The dataset at a place, prepared if need be; no process replaces it while this one lives."""
    while True:
        if not place.is_prepared():
            from jaxcnn.data.preparing.prepare import prepare_place

            prepare_place(place)
        if hold(place.directory):  # else another process removed it a moment ago
            return _read(place.arrays, label_set)


def _read(directory: Path, label_set: str) -> Dataset:
    info = read_info(directory) or {}
    try:
        label_set = _pick_label_set(info, label_set)
        digests = split_digests(directory, info, label_set)
        splits = {
            split: Split(
                np.load(images_path(directory, split), mmap_mode="r"),
                np.load(labels_path(directory, split, label_set)),
                digests[split],
            )
            for split in info["splits"]
        }
        listed = pictures_path(directory)
        return Dataset(
            name=info["name"],
            class_names=tuple(info["class_names"][label_set]),
            splits=splits,
            pixel_mean=np.asarray(info["pixel_mean"], np.float32),
            pixel_std=np.asarray(info["pixel_std"], np.float32),
            scalar_mean=info["scalar_mean"],
            scalar_std=info["scalar_std"],
            pictures=read_pictures(listed) if listed.exists() else None,
            reading=info.get("reading"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the cache {directory} is damaged ({error}): delete it") from error


def _pick_label_set(info: dict[str, Any], label_set: str) -> str:
    known = list(info["class_names"])
    if label_set and label_set not in known:
        have = f"it has {' and '.join(known)}" if known[0] else "it has but one"
        raise UserError(f"{info['name']} has no label set {label_set!r}: {have}")
    return label_set or known[0]


def _write_resized(place: Place, directory: Path, image_size: int) -> None:
    from jaxcnn.data.preparing.lock import writing
    from jaxcnn.data.preparing.reporter import reporter

    info = read_info(place.arrays)
    by_label_set = {key: _read(place.arrays, key).splits for key in info["class_names"]}
    with reporter(place.name) as report, writing(place, report):
        if read_info(directory) is not None:  # another process was faster
            return
        splits = {
            split: (len(any_split.images), _resized(by_label_set, split, image_size, report))
            for split, any_split in next(iter(by_label_set.values())).items()
        }
        about = {key: info[key] for key in ("name", "fingerprint", "class_names")}
        write_cache(directory, splits=splits, reading=info.get("reading"), **about)


def _resized(
    by_label_set: dict[str, dict[str, Split]], split: str, image_size: int, report: "Reporter"
) -> Iterator[Record]:
    from PIL import Image

    images = next(iter(by_label_set.values()))[split].images
    squeezed = images[..., 0] if images.shape[-1] == 1 else images  # as Pillow has grey images
    text = f"resizing {split} to {image_size}x{image_size}"
    for index, image in enumerate(report.track(squeezed, len(images), text)):
        picture = Image.fromarray(image).resize((image_size, image_size), Image.BILINEAR)
        labels = {key: splits[split].labels[index] for key, splits in by_label_set.items()}
        yield np.asarray(picture).reshape(image_size, image_size, -1), labels

"""The cache: a folder with a dataset's splits as .npy files, and facts about them as JSON.

It is written under another name and renamed, so it is complete or does not exist. Neither tfds nor
an image library is needed here.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.pictures import statistics
from jaxcnn.data.pictures.content import Picture, write_picture_list
from jaxcnn.data.pictures.conversion import page_like
from jaxcnn.errors import UserError

_INFO = "dataset.json"
_ROWS = 4096  # images in memory at a time
LabeledImage = tuple[np.ndarray, Mapping[str, Any]]  # uint8 (h, w, c), and a label by label set


def images_path(directory: Path, split: str) -> Path:
    """Return the file of a split's images, uint8 (n, height, width, channels)."""
    return directory / f"{split}_images.npy"


def labels_path(directory: Path, split: str, label_set: str) -> Path:
    """Return the file of a split's labels, int32 (n,) or float32 (n, num_classes)."""
    return directory / ("_".join(filter(None, (split, label_set, "labels"))) + ".npy")


def pictures_path(directory: Path) -> Path:
    """Return the file with the list of a folder's pictures, in the order of the examples."""
    return directory / "pictures.csv"


def read_info(directory: Path) -> dict[str, Any] | None:
    """Return the content of `dataset.json`; None if there is no complete cache."""
    try:
        info = json.loads((directory / _INFO).read_text())
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None


def write_cache(
    directory: Path,
    *,
    name: str,
    fingerprint: str,
    class_names: Mapping[str, Sequence[str]],
    splits: Mapping[str, tuple[int, Iterable[LabeledImage]]],
    conversion: Mapping[str, Any] | None,
    pictures: Sequence[Picture] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the cache; only one process at a time may do so.

    Args:
      directory: of the cache.
      name: of the dataset.
      fingerprint: of the files that the dataset was made from.
      class_names: by label set.
      splits: number of examples, and the examples, by split.
      conversion: fields of the `Conversion` of its pictures; None if there is no record of it. If
        the page is missing, it is chosen to match the borders of the training images.
      pictures: the user's pictures, in the order of the examples.
      facts: about their files, see `facts.summarize`.

    Raises:
      OSError: the disk is too small, or the directory cannot be written.
    """
    partial = directory.with_name(f".{directory.name}")
    for leftover in (partial, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    for split, (count, examples) in splits.items():
        _write_split(partial, split, count, examples)
    if pictures is not None:
        write_picture_list(pictures_path(partial), pictures)
    train_images = np.load(images_path(partial, "train"), mmap_mode="r")
    if conversion is not None:
        _, border, _ = statistics.describe(train_images)["border"]
        conversion = {"page": page_like(border)} | dict(conversion)
    info = {
        "name": name,
        "fingerprint": fingerprint,
        "class_names": {key: list(names) for key, names in class_names.items()},
        "splits": list(splits),
        "reading": conversion,
        **pixel_statistics(train_images),
    }
    if facts is not None:
        info["facts"] = facts
    info["digests"] = _digests(partial, info)
    (partial / _INFO).write_text(json.dumps(info, indent=1))
    partial.rename(directory)


def split_digests(directory: Path, info: Mapping[str, Any], label_set: str) -> dict[str, str]:
    """Return the digest of each split's images and labels; see `array_digest`.

    They are computed and recorded if the cache has none, or if an array is newer than its record.
    """
    digests = info.get("digests")
    recorded = (directory / _INFO).stat().st_mtime_ns
    if digests is None or any(
        path.stat().st_mtime_ns > recorded for path in directory.glob("*.npy")
    ):
        digests = _digests(directory, info)
        partial = directory / f".{_INFO}.{os.getpid()}"
        with contextlib.suppress(OSError):  # the cache belongs to another user
            partial.write_text(json.dumps({**info, "digests": digests}, indent=1))
            partial.replace(directory / _INFO)
    return {
        split: joined_digest(digests[f"{split}/images"], digests[f"{split}/labels/{label_set}"])
        for split in info["splits"]
    }


def _digests(directory: Path, info: Mapping[str, Any]) -> dict[str, str]:
    digests = {}
    for split in info["splits"]:
        images = np.load(images_path(directory, split), mmap_mode="r")
        digests[f"{split}/images"] = array_digest(images)
        for label_set in info["class_names"]:
            labels = np.load(labels_path(directory, split, label_set))
            digests[f"{split}/labels/{label_set}"] = array_digest(labels)
    return digests


def array_digest(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's shape, dtype and values as hex digits."""
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    for start in range(0, len(array), _ROWS):
        digest.update(np.ascontiguousarray(array[start : start + _ROWS]).data)
    return digest.hexdigest()


def joined_digest(*parts: str) -> str:
    """Return one SHA-256 for several texts as hex digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _write_split(directory: Path, split: str, count: int, examples: Iterable[LabeledImage]) -> None:
    images, labels = None, {}
    for index, (image, image_labels) in enumerate(examples):
        if images is None:
            images = _create(images_path(directory, split), (count, *image.shape))
        images[index] = image
        for label_set, label in image_labels.items():
            labels.setdefault(label_set, []).append(label)
    for label_set, values in labels.items():
        array = np.asarray(values)
        dtype = np.float32 if array.dtype.kind == "f" else np.int32
        np.save(labels_path(directory, split, label_set), array.astype(dtype))


def _create(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    size, free = math.prod(shape), shutil.disk_usage(path.parent).free
    if size > free:  # a memory-mapped file on a full disk kills the process
        raise OSError(f"it takes {size >> 20:,} MiB and the disk has {free >> 20:,} MiB left")
    return np.lib.format.open_memmap(path, "w+", np.uint8, shape)


def pick_label_set(info: dict[str, Any], label_set: str) -> str:
    """Return the name of one of a cache's label sets; "" stands for the first one.

    Raises:
      UserError: it has no such label set.
    """
    names = list(info["class_names"])
    if label_set and label_set not in names:
        choice = f"it has {' and '.join(names)}" if names[0] else "it has only one"
        raise UserError(f"{info['name']} has no label set {label_set!r}: {choice}")
    return label_set or names[0]


def pixel_statistics(images: np.ndarray) -> dict[str, Any]:
    """Return exact means and standard deviations, from a histogram of each channel.

    Args:
      images: uint8 (n, height, width, channels).

    Returns:
      `pixel_mean` and `pixel_std`, a number for each channel; `scalar_mean` and `scalar_std`.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), _ROWS):
        rows = images[start : start + _ROWS]
        for channel, histogram in enumerate(counts):
            histogram += np.bincount(rows[..., channel].ravel(), minlength=256)
    channels = [_moments(histogram) for histogram in counts]
    scalar = _moments(counts.sum(axis=0))
    return {
        "pixel_mean": [mean for mean, _ in channels],
        "pixel_std": [std for _, std in channels],
        "scalar_mean": scalar[0],
        "scalar_std": scalar[1],
    }


def statistics_fields(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `Dataset` that hold statistics, from `pixel_statistics` or a cache."""
    return {
        "pixel_mean": np.asarray(statistics["pixel_mean"], np.float32),
        "pixel_std": np.asarray(statistics["pixel_std"], np.float32),
        "scalar_mean": statistics["scalar_mean"],
        "scalar_std": statistics["scalar_std"],
    }


def _moments(histogram: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of a histogram (256,)."""
    values, weights = np.arange(256), histogram / histogram.sum()
    mean = float(values @ weights)
    return mean, float(np.sqrt((values - mean) ** 2 @ weights))

"""The cache: a dataset's splits as .npy files and what is known of them as JSON, in one folder.

It is written beside its place and renamed, so that it is complete or not there. Neither tfds nor
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
from jaxcnn.data.pictures.content import Picture, write_pictures
from jaxcnn.data.pictures.conversion import page_like

_INFO = "dataset.json"
_ROWS = 4096  # images that are in memory at a time
Record = tuple[np.ndarray, Mapping[str, Any]]  # an image (h, w, c); its label in each label set


def images_path(directory: Path, split: str) -> Path:
    """The file of a split's images, uint8 (n, h, w, c)."""
    return directory / f"{split}_images.npy"


def labels_path(directory: Path, split: str, label_set: str) -> Path:
    """The file of a split's labels, int32 (n,) or float32 (n, num_classes)."""
    return directory / ("_".join(filter(None, (split, label_set, "labels"))) + ".npy")


def pictures_path(directory: Path) -> Path:
    """The list of a folder's pictures, in the order of the records, split after split."""
    return directory / "pictures.csv"


def read_info(directory: Path) -> dict[str, Any] | None:
    """What `dataset.json` says; None where there is no complete cache."""
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
    splits: Mapping[str, tuple[int, Iterable[Record]]],
    reading: Mapping[str, Any] | None,
    pictures: Sequence[Picture] | None = None,
) -> None:
    """Writes the cache, with as many records of each split as its count says.

    `class_names` are by label set; `fingerprint` is of the files that the dataset was made from.
    `reading` holds the rules that its pictures were read by, see `data/reading.py`; other pictures
    are drawn on a page like the border of its own. None for a set that was prepared without rules.
    `pictures` lists those of a folder. Only one process at a time may write. Raises OSError where
    the disk is too small.
    """
    partial = directory.with_name(f".{directory.name}")
    for leftover in (partial, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    for split, (count, records) in splits.items():
        _write_split(partial, split, count, records)
    if pictures is not None:
        write_pictures(pictures_path(partial), pictures)
    train_images = np.load(images_path(partial, "train"), mmap_mode="r")
    if reading is not None:
        _, border, _ = statistics.describe(train_images)["border"]
        reading = {"page": page_like(border)} | dict(reading)
    info = {
        "name": name,
        "fingerprint": fingerprint,
        "class_names": {key: list(names) for key, names in class_names.items()},
        "splits": list(splits),
        "reading": reading,
        **_statistics(train_images),
    }
    info["digests"] = _digests(partial, info)
    (partial / _INFO).write_text(json.dumps(info, indent=1))
    partial.rename(directory)


def split_digests(directory: Path, info: Mapping[str, Any], label_set: str) -> dict[str, str]:
    """Return the digest of each split's images and labels, as `array_digest` makes it.

    A cache of an older version does not know them, and one whose arrays were written to afterwards
    has others: they are written into it.
    """
    digests = info.get("digests")
    made = (directory / _INFO).stat().st_mtime_ns
    if digests is None or any(path.stat().st_mtime_ns > made for path in directory.glob("*.npy")):
        digests = _digests(directory, info)
        partial = directory / f".{_INFO}.{os.getpid()}"
        with contextlib.suppress(OSError):  # a cache that belongs to somebody else
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
    """Return the SHA-256 of an array's shape, dtype and values, hex."""
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    for start in range(0, len(array), _ROWS):
        digest.update(np.ascontiguousarray(array[start : start + _ROWS]))
    return digest.hexdigest()


def joined_digest(*parts: str) -> str:
    """Return one digest for several texts, hex."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _write_split(directory: Path, split: str, count: int, records: Iterable[Record]) -> None:
    images, labels = None, {}
    for index, (image, record_labels) in enumerate(records):
        if images is None:
            images = _create(images_path(directory, split), (count, *image.shape))
        images[index] = image
        for label_set, label in record_labels.items():
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


def _statistics(images: np.ndarray) -> dict[str, Any]:
    """Exact means and standard deviations, from a histogram of each channel."""
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


def _moments(histogram: np.ndarray) -> tuple[float, float]:
    values, weights = np.arange(256), histogram / histogram.sum()
    mean = float(values @ weights)
    return mean, float(np.sqrt((values - mean) ** 2 @ weights))

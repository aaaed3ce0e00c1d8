"""FERPlus: the images of FER2013, each with the votes of ten people instead of one label.

References:
  Barsoum, Zhang, Canton Ferrer, Zhang, Training Deep Networks for Facial Expression Recognition
  with Crowd-Sourced Label Distribution, 2016. https://github.com/microsoft/FERPlus
"""

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, TextIO

import numpy as np
import tensorflow_datasets as tfds

from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.preparing.archives import MAX_BYTES, pick, read_members, refusing, require
from jaxcnn.data.preparing.builder import ImageBuilder, SourceSplit
from jaxcnn.data.preparing.finding import unpacked_name

_PIXELS, _VOTES = "fer2013.csv", "fer2013new.csv"
# Kaggle offers the pixels also in another order of columns, and in an archive
_ICML, _ARCHIVE = "icml_face_data.csv", "fer2013.tar.gz"
_EMOTIONS = DATASETS["ferplus"].class_names[""]
_COLUMNS = ["Usage", "Image name", *_EMOTIONS, "unknown", "NF"]
_PIXEL_COLUMNS = ["emotion", "pixels", "Usage"]
_ICML_COLUMNS = ["emotion", "Usage", "pixels"]
_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}


class FerPlus(ImageBuilder):
    """FERPlus: 48x48 gray faces with distributions over eight emotions."""

    name = "jaxcnn_ferplus"
    description = "FERPlus"
    homepage = "https://github.com/microsoft/FERPlus"
    class_names = DATASETS["ferplus"].class_names
    image_shape = DATASETS["ferplus"].image_shape
    row_count: ClassVar[int] = 35_887  # of the files
    # rows with votes for an emotion
    kept_counts: ClassVar[dict[str, int]] = {"train": 28_559, "validation": 3_579, "test": 3_573}
    to_get = (
        f"{_ARCHIVE}, {_ICML} or {_PIXELS} from Kaggle (https://www.kaggle.com/c/challenges-in-representation-learning"
        f"-facial-expression-recognition-challenge/data, with an account) and {_VOTES} from "
        f"{homepage}"
    )

    @classmethod
    def published_name(cls, path: Path) -> str:
        """See `ImageBuilder`."""
        if not path.is_file():
            return ""
        if path.name in (_PIXELS, _ICML, _VOTES):
            return path.name
        is_archive = unpacked_name(path.name) == unpacked_name(_ARCHIVE) != path.name
        return _ARCHIVE if is_archive else ""

    def label_feature(self, label_set: str) -> tfds.features.FeatureConnector:
        """Return the feature of a distribution over the emotions."""
        return tfds.features.Tensor(shape=(len(_EMOTIONS),), dtype=np.float32)

    def read(self, files: Mapping[str, Path]) -> dict[str, SourceSplit]:
        """Return the splits, from the two CSV files."""
        pixels_path = pick(files, _PIXELS, _ICML, _ARCHIVE)[1]
        votes_path = pick(files, _VOTES)[1]
        self.reporter.say(f"reading {pixels_path} and {votes_path}")
        with refusing(votes_path):
            usage, votes = self._read_votes(votes_path)
        with refusing(pixels_path):
            images = self._read_pixels(pixels_path, usage)
        splits = {}
        kept = votes.sum(axis=1) > 0
        for name, split in _SPLITS.items():
            rows = np.flatnonzero((usage == name) & kept)
            labels = votes[rows] / votes[rows].sum(axis=1, keepdims=True)
            splits[split] = SourceSplit(images[rows], {"": labels.astype(np.float32)})
            with refusing(votes_path):
                expected = self.kept_counts[split]
                message = f"{len(rows):,} rows of {name} have votes, not {expected:,}"
                require(len(rows) == expected, message)
        return splits

    def _read_votes(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return each row's Usage (n,) and its votes for the eight emotions, int (n, 8)."""
        rows = list(_rows(path, _COLUMNS))
        require(len(rows) == self.row_count, f"{len(rows):,} rows, not {self.row_count:,}")
        usage = np.array([row[0] for row in rows])
        unknown = set(usage) - _SPLITS.keys()
        require(not unknown, f"a row with Usage {str(min(unknown, default=''))!r}")
        votes = np.array([[int(vote) for vote in row[2:]] for row in rows])
        is_valid = votes.min() >= 0 and votes.sum(axis=1).max() <= 10
        require(is_valid, "a row with other than 0 to 10 votes")
        return usage, votes[:, : len(_EMOTIONS)]

    def _read_pixels(self, path: Path, usage: np.ndarray) -> np.ndarray:
        """Return the images, uint8 (n, 48, 48, 1)."""
        images = np.empty((len(usage), 48 * 48), np.uint8)
        rows = _rows(path, _PIXEL_COLUMNS, _ICML_COLUMNS)
        count = 0
        for count, row in enumerate(self.reporter.track(rows, len(usage), "reading"), start=1):
            require(count <= len(usage), f"more than {len(usage):,} rows")
            is_same = row[2] == usage[count - 1]
            require(is_same, f"row {count} does not have the same Usage as in {_VOTES}")
            images[count - 1] = _parse_pixels(row[1], count)
        require(count == len(usage), f"{count:,} rows, not {len(usage):,}")
        return images.reshape(-1, 48, 48, 1)


def _parse_pixels(text: str, row: int) -> np.ndarray:
    values = np.array(text.split(), np.int64)
    require(len(values) == 48 * 48, f"row {row} has {len(values)} pixels, not {48 * 48}")
    is_valid = values.min() >= 0 and values.max() <= 255
    require(is_valid, f"row {row} has pixels outside 0 to 255")
    return values.astype(np.uint8)


def _rows(path: Path, columns: list[str], *others: list[str]) -> Iterator[list[str]]:
    """Yield the rows of a CSV file below its header, stripped, in the order of `columns`.

    Args:
      path: of the file.
      columns: the header.
      *others: the same columns in other orders that the header may have.
    """
    with _opened(path) as stream:
        rows = ([field.strip() for field in row] for row in csv.reader(stream))
        header = next(rows, [])
        require(header in (columns, *others), f"its columns are not {','.join(columns)}")
        order = [header.index(name) for name in columns]
        for number, row in enumerate(rows, start=1):
            is_valid = len(row) == len(columns)
            require(is_valid, f"row {number} has {len(row)} fields, not {len(columns)}")
            yield [row[index] for index in order]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a CSV file, or the one in an archive; Excel begins it with a byte order mark."""
    if path.suffix == ".csv":
        require(path.stat().st_size <= MAX_BYTES, f"it is larger than {MAX_BYTES >> 20} MiB")
        with open(path, newline="", encoding="utf-8-sig") as stream:
            yield stream
    else:
        data = read_members(path, [_PIXELS])[_PIXELS]
        yield io.TextIOWrapper(io.BytesIO(data), newline="", encoding="utf-8-sig")

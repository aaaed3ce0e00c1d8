"""The sets of tensorflow-datasets by name, `tfds:NAME`: images, labels and splits for the cache."""

import dataclasses
import functools
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxcnn.data.datasets.tfds_builders import open_builder
from jaxcnn.data.grouping import stratified_test
from jaxcnn.data.image_size import height_and_width
from jaxcnn.data.pictures.content import SPLIT_NAMES
from jaxcnn.data.pictures.decoding import to_mode
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.places import SPLIT_RULES, Place
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError
from jaxcnn.text import join_names


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Examples of a split, by tfds' name of the split; positions are None for all examples."""

    split: str
    positions: np.ndarray | None = None


class TfdsSet:
    """A set of tfds, read for the cache; see `prepare._write_arrays`.

    Args:
      place: of the set.
      reporter: shows the progress.

    Raises:
      UserError: the set is unknown, needs TensorFlow, or is not one of labeled images.
    """

    conversion: Mapping[str, Any]
    pictures = facts = None  # there are no files

    def __init__(self, place: Place, reporter: Reporter) -> None:
        self._place, self._reporter = place, reporter
        self._builder = open_builder(place, reporter)
        self._image, self._label = _features(place.name, self._builder)
        self._mode = "L" if self._builder.info.features[self._image].shape[-1] == 1 else "RGB"
        self._rows = self._choose_splits()
        has_fit = place.image_size and place.fit != "crop"
        self.conversion = {"fit": place.fit} if has_fit else {}

    @property
    def folder(self) -> str:
        """The folder of tfds' files."""
        return str(self._builder.data_dir)

    def prepared_class_names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the classes, for the one label set."""
        feature = self._builder.info.features[self._label]
        return {"": tuple(feature.names or map(str, range(feature.num_classes)))}

    def counts(self) -> dict[str, int]:
        """Return the number of examples by split."""
        return {split: len(self._source(split)) for split in self._rows}

    def records(self, split: str) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield the images, uint8 (h, w, c), in the image size, and their labels."""
        source = self._source(split)
        for number, record in enumerate(
            self._reporter.track(source, len(source), f"caching {split}")
        ):
            label = int(record[self._label])
            if label < 0:
                raise UserError(
                    f"{self._place.name}: the {split} split has images without a label; name other "
                    "splits with dataset.split=TRAIN,TEST"
                )
            yield self._fitted(record[self._image], f"image {number} of {split}"), {"": label}

    @functools.cached_property
    def _shape(self) -> tuple[int, int, int]:
        """The shape of all images; without an image size, that of the first image."""
        if self._place.image_size:
            return (*height_and_width(self._place.image_size), len(self._mode))
        first = next(iter(self._source("train")))
        width, height = self._decode(first[self._image], "image 0 of train").size
        return height, width, len(self._mode)

    def _fitted(self, content: bytes, name: str) -> np.ndarray:
        picture = self._decode(content, name)
        if not self._place.image_size and picture.size != self._shape[1::-1]:
            sizes = [f"{w}x{h}" for w, h in (self._shape[1::-1], picture.size)]
            raise UserError(
                f"{self._place.name}: its images have several sizes, such as {join_names(sizes)}: "
                "set --image_size, or dataset.image_size in a config, to resize them"
            )
        return fit(picture, self._shape, self._place.fit)

    def _decode(self, content: bytes, name: str) -> Image.Image:
        try:
            with Image.open(io.BytesIO(content)) as picture:
                return to_mode(picture, self._mode)
        except Exception as error:  # Pillow's plug-ins raise any exception on damaged content
            raise UserError(f"{self._place.name}: {name} cannot be read ({error})") from error

    def _source(self, split: str) -> Sequence[Any]:
        rows = self._rows[split]
        return _Records(self._builder, rows.split, (self._image, self._label), rows.positions)

    def _choose_splits(self) -> dict[str, _Rows]:
        """Return the splits by jaxcnn's names; the config, or tfds' names, say which is which."""
        names, rule = list(self._builder.info.splits), self._place.split
        if rule not in SPLIT_RULES:
            return self._named_splits(rule.split(","))
        rows: dict[str, _Rows] = {}
        for name in names:
            if name.casefold() in SPLIT_NAMES:
                rows.setdefault(SPLIT_NAMES[name.casefold()], _Rows(name))
        if "train" not in rows:
            raise UserError(
                f"{self._place.name}: has the splits {join_names(names)}; name those for training "
                "and test with dataset.split=TRAIN,TEST"
            )
        if "test" not in rows and "validation" in rows:
            self._reporter.say("there is no test split; the validation split becomes it")
            rows["test"] = rows.pop("validation")
        if "test" not in rows:
            self._reporter.say("there is no test split; a fifth of each class becomes it")
            train = rows["train"].split
            is_test = stratified_test(self._labels(train))
            rows = {
                "train": _Rows(train, np.flatnonzero(~is_test)),
                "test": _Rows(train, np.flatnonzero(is_test)),
            }
        if unused := [name for name in names if name not in {r.split for r in rows.values()}]:
            self._reporter.say(f"unused splits: {join_names(unused)}")
        return rows

    def _named_splits(self, given: list[str]) -> dict[str, _Rows]:
        """Return the splits that the config names, such as train[:80%],train[80%:]."""
        rows = dict(zip(("train", "test", "validation"), map(_Rows, given), strict=False))
        try:
            if not 2 <= len(given) <= 3:
                raise ValueError("two or three are needed")
            for text in given:
                if not self._builder.info.splits[text].num_examples:
                    raise ValueError(f"{text} is empty")
        except Exception as error:  # tfds' parser raises exceptions of many types
            names = join_names(list(self._builder.info.splits))
            raise UserError(
                f"dataset.split = {self._place.split!r}: must be TRAIN,TEST or "
                f"TRAIN,TEST,VALIDATION of {self._place.name}, which has {names} ({error})"
            ) from error
        if shared := _shared(given, self._builder):
            raise UserError(
                f"dataset.split = {self._place.split!r}: {join_names(shared)} have examples in "
                "common; name splits without common examples"
            )
        return rows

    def _labels(self, split: str) -> np.ndarray:
        records = _Records(self._builder, split, (self._label,))
        return np.array([record[self._label] for record in records], np.int64)


def _shared(splits: Sequence[str], builder: Any) -> list[str]:
    """Return the first two splits that have examples in common; [] without such splits."""
    parts = [builder.info.splits[split].file_instructions for split in splits]
    for one, other in itertools.combinations(range(len(splits)), 2):
        ends = {part.filename: [] for part in parts[one]}
        for part in parts[one]:
            ends[part.filename].append((part.skip, part.skip + part.take))
        for part in parts[other]:
            for first, end in ends.get(part.filename, ()):
                if first < part.skip + part.take and part.skip < end:
                    return [splits[one], splits[other]]
    return []


class _Records(Sequence):
    """Some features of the records of a split; other features may be of any kind.

    Args:
      builder: of tfds.
      split: tfds' name of it.
      keys: the names of the features; that of an image is the content of its file.
      positions: int (n,), of the records; None for all.
    """

    def __init__(
        self, builder: Any, split: str, keys: Sequence[str], positions: np.ndarray | None = None
    ) -> None:
        features = builder.info.features
        self._features = tfds.features.FeaturesDict({key: features[key] for key in keys})
        images = [key for key in keys if isinstance(features[key], tfds.features.Image)]
        self._decoders = dict.fromkeys(images, tfds.decode.SkipDecoding())
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        self._source = builder.as_data_source(split, deserialize_method=raw)
        self._positions = range(len(self._source)) if positions is None else positions.tolist()

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: Any) -> Any:
        record = self._source[self._positions[index]]
        return self._features.deserialize_example_np(record, decoders=self._decoders)


def _features(name: str, builder: Any) -> tuple[str, str]:
    """Return the names of the features with the images and with the labels.

    Raises:
      UserError: there are none, or it is unclear which.
    """
    features = builder.info.features
    kinds = {"images": tfds.features.Image, "class labels": tfds.features.ClassLabel}
    chosen = []
    for (words, kind), key in zip(
        kinds.items(), builder.info.supervised_keys or ("", ""), strict=False
    ):
        keys = [text for text, feature in features.items() if type(feature) is kind]
        if key in keys:
            keys = [key]
        if len(keys) != 1:
            has = f"several features with {words}: {join_names(keys)}" if keys else f"no {words}"
            raise UserError(f"{name}: has {has}; its features are {join_names(list(features))}")
        chosen += keys
    image = features[chosen[0]]
    if np.dtype(image.np_dtype) != np.uint8:
        raise UserError(f"{name}: its images are {image.np_dtype}; they must be uint8")
    return chosen[0], chosen[1]

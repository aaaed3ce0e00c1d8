"""Datasets limited to some of their classes, which `dataset.classes` of a config names."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from jaxcnn.config.help import guess_value
from jaxcnn.config.publications import current_key
from jaxcnn.data.counts import likeliest
from jaxcnn.data.preparing.cache import pixel_statistics, statistics_fields
from jaxcnn.data.superclasses import SELECTED, SELECTED_BY
from jaxcnn.errors import UserError
from jaxcnn.text import some_names

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset, Split

SELECTIONS = {SELECTED_BY: SELECTED}  # by the key of the publication, see docs/publications.md
_MOST_NAMES = 10  # in an error


def select_classes(dataset: "Dataset", classes: Sequence[object]) -> "Dataset":
    """Return a dataset with the examples of some classes, which are numbered in the given order.

    An example whose label is a distribution belongs to its likeliest class. Its label becomes the
    distribution over the selected classes. The images are copied to memory.

    Args:
      dataset: the whole dataset.
      classes: names of classes or of `SELECTIONS`; one text may hold several names with commas
        between them. () for all classes.

    Raises:
      UserError: a name is unknown or repeated, there are fewer than two, or a split would be empty.
    """
    if not classes:
        return dataset
    names = selected_names(classes, dataset.class_names)
    _check_names(names, dataset)
    if names == dataset.class_names:  # already selected; the labels keep their bits
        return dataset
    numbers = np.array([dataset.class_names.index(name) for name in names])
    rows = {
        name: np.flatnonzero(np.isin(likeliest(split.labels), numbers))
        for name, split in dataset.splits.items()
    }
    for name, kept in rows.items():
        if not len(kept):
            raise UserError(f"config.dataset.classes: the {name} split has no image of them")
    splits = {
        name: _take(split, rows[name], numbers, dataset.num_classes)
        for name, split in dataset.splits.items()
    }
    return dataclasses.replace(
        dataset,
        class_names=names,
        splits=splits,
        **statistics_fields(pixel_statistics(splits["train"].images)),
        pictures=dataset.pictures
        and tuple(picture for picture in dataset.pictures if picture.class_name in names),
    )


def selected_names(classes: Sequence[object], class_names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names that `dataset.classes` stands for; they are not checked.

    Args:
      classes: see `select_classes`.
      class_names: of the dataset. Such a name is never taken for a selection or for several names.
    """
    names: list[str] = []
    by_nfc = {normalize("NFC", name): name for name in class_names}
    for text in map(str, classes):
        if name := by_nfc.get(normalize("NFC", text)):
            names.append(name)
        elif current_key(text) in SELECTIONS:
            names += SELECTIONS[current_key(text)]
        elif "," in text:
            parts = [part.strip() for part in text.split(",")]
            names += selected_names([part for part in parts if part], class_names)
        else:
            names.append(text)
    return tuple(names)


def _check_names(names: Sequence[str], dataset: "Dataset") -> None:
    for name in names:
        if name not in dataset.class_names:
            guess = guess_value(name, (*dataset.class_names, *SELECTIONS))
            listed = some_names(dataset.class_names, _MOST_NAMES)
            raise UserError(
                f"config.dataset.classes: {dataset.name} has no class {name!r}"
                f"{guess or f' (it has {listed})'}"
            )
        if names.count(name) > 1:
            raise UserError(f"config.dataset.classes: names {name!r} twice")
    if len(names) < 2:
        named = f"{names[0]} alone" if names else "no class"
        raise UserError(f"config.dataset.classes: names {named}; name two or more classes")


def _take(split: "Split", rows: np.ndarray, numbers: np.ndarray, num_classes: int) -> "Split":
    """Return the rows of a split; `numbers` are the old numbers of the classes that are kept."""
    labels = np.asarray(split.labels)[rows]
    if labels.ndim == 2:
        labels = labels[:, numbers]
        labels = labels / labels.sum(axis=1, keepdims=True)
    else:
        new_numbers = np.zeros(num_classes, labels.dtype)
        new_numbers[numbers] = np.arange(len(numbers))
        labels = new_numbers[labels]
    return dataclasses.replace(split, images=split.images[rows], labels=labels, recorded_digest="")

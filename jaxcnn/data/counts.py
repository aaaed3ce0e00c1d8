"""Counts of a dataset's images by class and split."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len, set_cell_size

from jaxcnn.text import integer, printable

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset

_MOST_ROWS = 30  # a dataset of more classes gets no line for each
_WIDEST = 40  # terminal columns of a class name
_UNEQUAL = 1.5  # size of the largest class over that of the smallest


def likeliest(labels: np.ndarray) -> np.ndarray:
    """Return the class of each example, int (n,).

    Args:
      labels: int (n,), or float (n, num_classes) distributions, of which the largest entry is
        the class.
    """
    return labels.argmax(axis=1) if labels.ndim == 2 else labels


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the number of examples of each class, int (num_classes,).

    Args:
      labels: see `likeliest`.
      num_classes: the number of the dataset's classes.
    """
    return np.bincount(likeliest(labels), minlength=num_classes)


def is_unequal(counts: Iterable[int]) -> bool:
    """Return whether class sizes differ so much that the frequent classes dominate accuracy.

    Args:
      counts: the number of examples of each class; empty classes are left out.
    """
    sizes = [count for count in counts if count]
    return bool(sizes) and max(sizes) > _UNEQUAL * min(sizes)


def count_table(dataset: "Dataset") -> str:
    """Return a table of the classes and their images in each split.

    A dataset of more than 30 classes has three lines: all classes, the smallest and the largest.
    """
    names = [printable(name) for name in dataset.class_names]
    by_split = {
        split_name: class_counts(split.labels, len(names))
        for split_name, split in dataset.splits.items()
    }
    columns = by_split.values()
    rows = [("images", list(by_split))]
    if len(names) <= _MOST_ROWS:
        rows += [(name, [counts[i] for counts in columns]) for i, name in enumerate(names)]
        rows.append(("total", [counts.sum() for counts in columns]))
    else:
        rows.append((f"all {len(names):,} classes", [counts.sum() for counts in columns]))
        rows.append(("smallest class", [counts.min() for counts in columns]))
        rows.append(("largest class", [counts.max() for counts in columns]))
    texts = [
        (name, [cell if isinstance(cell, str) else integer(cell) for cell in row])
        for name, row in rows
    ]
    width = min(_WIDEST, max(cell_len(name) for name, _ in texts))
    lines = [
        set_cell_size(name, width) + "".join(f"{text:>12}" for text in row) for name, row in texts
    ]
    return "\n".join(lines)

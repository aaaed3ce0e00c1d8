"""How many images a dataset has of each class in each split."""

from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len, set_cell_size

from jaxcnn.text import integer, printable

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset

_MOST_ROWS = 30  # classes that get a line each
_WIDEST = 40  # columns of a terminal for a class's name


def likeliest(labels: np.ndarray) -> np.ndarray:
    """Return the class of each example, int (n,): of float (n, num_classes) distributions the
    class of the largest part."""
    return labels.argmax(axis=1) if labels.ndim == 2 else labels


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the number of examples of each class, int (num_classes,).

    Args:
      labels: int (n,), or float (n, num_classes) distributions, whose largest part counts.
      num_classes: of the dataset.
    """
    return np.bincount(likeliest(labels), minlength=num_classes)


def count_table(dataset: "Dataset") -> str:
    """Return a table of the classes and their images in each split.

    Many classes get three lines: all of them, the smallest and the largest.
    """
    names = [printable(name) for name in dataset.class_names]
    counts = {n: class_counts(split.labels, len(names)) for n, split in dataset.splits.items()}
    rows = [("images", list(counts))]
    if len(names) <= _MOST_ROWS:
        rows += [(name, [of[i] for of in counts.values()]) for i, name in enumerate(names)]
        rows.append(("total", [of.sum() for of in counts.values()]))
    else:
        rows.append((f"all {len(names):,} classes", [of.sum() for of in counts.values()]))
        rows.append(("fewest of a class", [of.min() for of in counts.values()]))
        rows.append(("most of a class", [of.max() for of in counts.values()]))
    texts = [(name, [c if isinstance(c, str) else integer(c) for c in row]) for name, row in rows]
    width = min(_WIDEST, max(cell_len(name) for name, _ in texts))
    lines = [set_cell_size(name, width) + "".join(f"{t:>12}" for t in row) for name, row in texts]
    return "\n".join(lines)

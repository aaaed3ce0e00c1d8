"""What a run's user should know of its data before it starts."""

from collections.abc import Mapping

from jaxcnn.data.arrays import Dataset
from jaxcnn.data.counts import class_counts
from jaxcnn.data.feed import View

_EQUAL_TO = 1.5  # the largest class over the smallest, up to which classes count as equal in size


def data_notes(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    """Return a line each for a validation split that is not used, and for unequal classes.

    Args:
      dataset: of the run.
      views: of the run.
    """
    return [*_unused_validation(dataset, views["validation"]), *_unequal_classes(dataset)]


def _unused_validation(dataset: Dataset, used: View) -> list[str]:
    if "validation" not in dataset.splits or used.split == "validation":
        return []
    instead = "the test split" if used.split == "test" else f"a part of {used.split}"
    return [
        f"the validation split of {dataset.name} is not used, but {instead}; "
        'config.validation = "validation" uses it'
    ]


def _unequal_classes(dataset: Dataset) -> list[str]:
    counts = class_counts(dataset.splits["train"].labels, dataset.num_classes)
    most, fewest = int(counts.argmax()), int(counts.argmin())
    if counts[most] <= _EQUAL_TO * counts[fewest]:
        return []
    sizes = ", ".join(f"{dataset.class_names[i]} {counts[i]:,}" for i in (most, fewest))
    return [f"classes differ: {sizes} pictures; balanced accuracy is shown beside accuracy"]

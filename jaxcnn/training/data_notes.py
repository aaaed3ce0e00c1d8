"""What a run's user should know of its data before it starts."""

from collections.abc import Mapping

from jaxcnn.data.arrays import Dataset
from jaxcnn.data.counts import class_counts
from jaxcnn.data.datasets.listing import join
from jaxcnn.data.feed import View
from jaxcnn.errors import UserError

_EQUAL_TO = 1.5  # the largest class over the smallest, up to which classes count as equal in size


def refuse_unseen_classes(dataset: Dataset, views: Mapping[str, View]) -> None:
    """Check that each class has an example to learn from.

    Raises:
      UserError: a class has none.
    """
    unseen = _without_examples(dataset, views["train"])
    if unseen:
        raise UserError(
            f"no training example is left for {unseen}: give it more, take it away, or set "
            "config.validation or config.validation_fraction otherwise"
        )


def data_notes(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    """Return a line each for a validation split that is not used, for classes that a split has no
    example of, and for unequal classes.

    Args:
      dataset: of the run.
      views: of the run.
    """
    without = {name: _without_examples(dataset, view) for name, view in views.items()}
    return [
        *_unused_validation(dataset, views["validation"]),
        *(
            f"the {name} split has no example of {names}"
            for name, names in without.items()
            if names
        ),
        *_unequal_classes(dataset),
    ]


def _without_examples(dataset: Dataset, view: View) -> str:
    """The classes that a view has no example of, as "class a" or "classes a and b"; else ""."""
    labels = dataset.splits[view.split].labels[view.indices]
    counts = class_counts(labels, dataset.num_classes)
    names = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
    return f"{'class' if len(names) == 1 else 'classes'} {join(names)}" if names else ""


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

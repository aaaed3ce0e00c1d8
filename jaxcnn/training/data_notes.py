"""What a run's user should know of its data before it starts."""

from collections.abc import Mapping

import numpy as np

from jaxcnn.data.counts import class_counts
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.views import View
from jaxcnn.errors import UserError
from jaxcnn.text import join_names

_EQUAL_TO = 1.5  # the largest class over the smallest, up to which classes count as equal in size


def refuse_unseen_classes(dataset: Dataset, views: Mapping[str, View]) -> None:
    """Check that validation leaves each class of the training split an example to learn from.

    Raises:
      UserError: a class has none left.
    """
    split = views["train"].split
    whole = View(split, np.arange(len(dataset.splits[split].labels)))
    unseen = _without_examples(dataset, views["train"])
    unseen = "" if unseen == _without_examples(dataset, whole) else unseen
    if unseen:
        raise UserError(
            f"no training example is left for {unseen}: give it more, take it away, or set "
            "config.validation or config.validation_fraction otherwise"
        )


def data_notes(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    """Return a line each for a validation split that is not used, for classes that a split has no
    example of, for unequal classes, and for pictures that lie in a folder more than once.

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
        *_repeated_pictures(dataset, views),
    ]


def trained_on(dataset: Dataset, views: Mapping[str, View], name: str) -> int:
    """Return how many pictures of a view are also among the training pictures, file for file.

    0 for "train" itself, and for datasets that are not a folder of pictures.
    """
    if dataset.pictures is None or name == "train":
        return 0
    of_split = {
        split: np.array([p.sha256 for p in dataset.pictures if p.split == split])
        for split in dataset.splits
    }
    contents = {view: of_split[views[view].split][views[view].indices] for view in ("train", name)}
    return int(np.isin(contents[name], contents["train"]).sum())


def _repeated_pictures(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    lines = []
    for name in ("validation", "test"):
        if count := trained_on(dataset, views, name):
            total = len(views[name].indices)
            lines.append(
                f"{count:,} of the {total:,} {name} pictures are also training pictures: copies of "
                "a file in both splits; figures on them are too good"
            )
    classes: dict[str, set[str]] = {}
    for picture in dataset.pictures or ():
        classes.setdefault(picture.sha256, set()).add(picture.class_name)
    in_several = [
        picture.path for picture in dataset.pictures or () if len(classes[picture.sha256]) > 1
    ]
    if in_several:
        lines.append(f"pictures that lie in several classes: {join_names(in_several)}")
    return lines


def _without_examples(dataset: Dataset, view: View) -> str:
    """The classes that a view has no example of, as "class a" or "classes a and b"; else ""."""
    labels = dataset.splits[view.split].labels[view.indices]
    counts = class_counts(labels, dataset.num_classes)
    names = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
    return f"{'class' if len(names) == 1 else 'classes'} {join_names(names)}" if names else ""


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

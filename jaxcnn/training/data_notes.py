"""Properties of a run's data that the user should know before it starts."""

from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.counts import class_counts, is_unequal
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.views import View
from jaxcnn.errors import UserError
from jaxcnn.text import join_names
from jaxcnn.training.recipe import class_weights_of

_MOST_WEIGHTS = 20  # of more classes, the largest and the smallest weight are shown


def refuse_unseen_classes(dataset: Dataset, views: Mapping[str, View]) -> None:
    """Check that validation leaves each class at least one training example.

    A class without any example in the whole training split is allowed; `data_notes` names it.

    Args:
      dataset: the run's dataset.
      views: the run's views by name: "train", "validation" and "test".

    Raises:
      UserError: validation takes all examples of a class.
    """
    split = views["train"].split
    whole = View(split, np.arange(len(dataset.splits[split].labels)))
    unseen = _classes_without_examples(dataset, views["train"])
    if unseen and unseen != _classes_without_examples(dataset, whole):
        raise UserError(
            f"no training example is left for {unseen}: add images of it, remove it, lower "
            "config.validation_fraction, or change config.validation"
        )


def untrained_classes(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    """Return a line that names the classes without a training example; none if there are none."""
    classes = _classes_without_examples(dataset, views["train"])
    return [f"the train split has no example of {classes}"] if classes else []


def data_notes(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    """Return one line for each property of the data that the user should know.

    They are: an unused validation split, classes without examples in validation or test, classes of
    unequal size, pictures that occur more than once in a folder, and groups that lie in several
    splits.

    Args:
      dataset: the run's dataset.
      views: the run's views by name: "train", "validation" and "test".
    """
    evaluated = ("validation", "test")
    missing = {name: _classes_without_examples(dataset, views[name]) for name in evaluated}
    return [
        *_unused_validation(dataset, views["validation"]),
        *(
            f"the {name} split has no example of {classes}"
            for name, classes in missing.items()
            if classes
        ),
        *_unequal_classes(dataset),
        *_repeated_pictures(dataset, views),
        *_shared_groups(dataset, views),
    ]


def weight_notes(config: ConfigDict, dataset: Dataset) -> list[str]:
    """Return a line about the weights of the classes and one about the sampling, if they are set.

    Raises:
      UserError: the config gives another number of weights than the dataset has classes.
    """
    lines = []
    if config.dataset.sampling == "balanced":
        lines.append("each epoch has equally many examples of each class")
    weights = class_weights_of(config, dataset)
    if weights is not None:
        names = zip(dataset.class_names, weights.tolist(), strict=True)
        ranked = sorted(names, key=lambda pair: -pair[1])
        shown = ranked if len(ranked) <= _MOST_WEIGHTS else [ranked[0], ranked[-1]]
        listed = ", ".join(f"{name} {weight:.3g}" for name, weight in shown)
        which = "" if shown == ranked else ", the largest and the smallest"
        lines.append(f"weights of the classes in the training loss{which}: {listed}")
    return lines


def trained_on(dataset: Dataset, views: Mapping[str, View], name: str) -> int:
    """Return how many pictures of a view have the same file content as a training picture.

    The number is 0 for "train" itself, and for datasets that are not a folder of pictures.

    Args:
      dataset: the run's dataset.
      views: the run's views by name.
      name: the view, such as "test".
    """
    if dataset.pictures is None or name == "train":
        return 0
    digests = {
        split: np.array([p.sha256 for p in dataset.pictures if p.split == split])
        for split in dataset.splits
    }
    train, other = (digests[view.split][view.indices] for view in (views["train"], views[name]))
    return int(np.isin(other, train).sum())


def _repeated_pictures(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    pictures = dataset.pictures or ()
    lines = []
    for name in ("validation", "test"):
        if count := trained_on(dataset, views, name):
            total = len(views[name].indices)
            lines.append(
                f"{count:,} of the {total:,} {name} pictures are copies of training pictures, "
                f"so the {name} accuracy is too high"
            )
    classes: dict[str, set[str]] = {}
    for picture in pictures:
        classes.setdefault(picture.sha256, set()).add(picture.class_name)
    ambiguous = [picture.path for picture in pictures if len(classes[picture.sha256]) > 1]
    if ambiguous:
        lines.append(f"pictures that lie in several classes: {join_names(ambiguous)}")
    return lines


def _shared_groups(dataset: Dataset, views: Mapping[str, View]) -> list[str]:
    groups = {}
    for name, view in views.items():
        of_split = dataset.groups(view.split)
        groups[name] = set() if of_split is None else set(of_split[view.indices]) - {""}
    lines = []
    for name in ("validation", "test"):
        if shared := sorted(groups["train"] & groups[name]):
            lines.append(
                f"{len(shared):,} groups have pictures in training and in {name}, so the {name} "
                f"accuracy may be too high: {join_names(shared)}"
            )
    return lines


def _classes_without_examples(dataset: Dataset, view: View) -> str:
    """Return the classes without an example in a view: "class a", "classes a and b", or ""."""
    labels = dataset.splits[view.split].labels[view.indices]
    counts = class_counts(labels, dataset.num_classes)
    names = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
    return f"{'class' if len(names) == 1 else 'classes'} {join_names(names)}" if names else ""


def _unused_validation(dataset: Dataset, validation: View) -> list[str]:
    if "validation" not in dataset.splits or validation.split == "validation":
        return []
    is_test = validation.split == "test"
    source = "the test split" if is_test else f"a part of {validation.split}"
    return [
        f"the validation split of {dataset.name} is unused: validation reads {source}; set "
        'config.validation = "validation" to use it'
    ]


def _unequal_classes(dataset: Dataset) -> list[str]:
    counts = class_counts(dataset.splits["train"].labels, dataset.num_classes)
    if not is_unequal(counts.tolist()):
        return []
    largest = int(counts.argmax())
    smallest = int(np.where(counts, counts, counts.max()).argmin())
    sizes = ", ".join(f"{dataset.class_names[i]} {counts[i]:,}" for i in (largest, smallest))
    return [f"classes differ in size: {sizes} pictures; balanced accuracy counts each class alike"]

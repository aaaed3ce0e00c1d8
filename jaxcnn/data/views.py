"""The examples of a run's splits: which rows of a dataset are for training, validation and test."""

import dataclasses
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.counts import likeliest
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.grouping import assign_folds, choose_groups
from jaxcnn.data.preparing.cache import array_digest, joined_digest
from jaxcnn.errors import UserError

# The held-out examples must not depend on the run's seed: runs with different seeds are compared
# on the same validation examples.
_HOLDOUT_SEED = 2026
_FRACTION_SEED = 2027


@dataclasses.dataclass(frozen=True)
class View:
    """Some examples of a dataset's split.

    Attributes:
      split: the name of the dataset's split.
      indices: int32 (num_examples,), positions in the split's arrays.
    """

    split: str
    indices: np.ndarray


def views_of(config: ConfigDict, dataset: Dataset) -> dict[str, View]:
    """Return the examples for "train", "validation" and "test" that a config names.

    `dataset.fraction` applies to "train" alone, so runs with different fractions are measured on
    the same examples.

    Raises:
      UserError: the dataset has no validation split and the config names it, or no example would
        be left for training.
    """
    if config.validation == "validation" and "validation" not in dataset.splits:
        raise UserError(
            f'config.validation = "validation": {dataset.name} has no validation split; use '
            '"holdout", "tail" or "test"'
        )
    if config.validation == "fold":
        views = fold_views(dataset, config.folds, config.fold)
    else:
        views = make_views(dataset, config.validation, config.validation_fraction, config.holdout)
    train, labels = views["train"], dataset.splits["train"].labels
    part = take_fraction(train.indices, labels, config.dataset.fraction)
    return views | {"train": View(train.split, part)}


def make_views(
    dataset: Dataset, validation: str, fraction: float, holdout: str = "stratified"
) -> dict[str, View]:
    """Return the examples for "train", "validation" and "test".

    Args:
      dataset: the dataset.
      validation: "holdout" (drawn from the training split), "tail" (the training split's last
        examples), "validation" (the publisher's own split) or "test" (the test split serves as
        validation split).
      fraction: the share of the training split that "holdout" and "tail" take.
      holdout: the way in which "holdout" draws: "stratified" takes the share of each class, and
        never a class's only example; "random" draws from all examples alike. Pictures with
        groups are drawn by group, with about the same share of each class.

    Raises:
      UserError: no example would be left for training.
    """
    train, test = whole_split(dataset, "train"), whole_split(dataset, "test")
    if validation == "test":
        return {"train": train, "validation": test, "test": test}
    if validation == "validation":
        return {"train": train, "validation": whole_split(dataset, "validation"), "test": test}
    if validation == "tail":
        kept, held_out = _cut_tail(train.indices, fraction)
    elif (groups := dataset.groups("train")) is not None:
        kept, held_out = _cut_by_group(dataset, groups, fraction)
    elif holdout == "stratified":
        kept, held_out = _cut_by_class(likeliest(dataset.splits["train"].labels), fraction)
    else:
        kept, held_out = _cut_random(train.indices, fraction)
    if not len(kept) and len(held_out) < 2:
        raise UserError(
            f"config.validation = {validation!r}: needs two training examples or more, and the "
            f"training split has {len(held_out)}; add images"
        )
    if not len(kept):
        raise UserError(
            f"config.validation_fraction = {fraction}: leaves none of the {len(held_out)} training "
            "examples for training; choose a smaller one"
        )
    return {"train": View("train", kept), "validation": View("train", held_out), "test": test}


def fold_views(dataset: Dataset, num_folds: int, fold: int) -> dict[str, View]:
    """Return the examples of a run of a cross-validation: one fold validates, the others train.

    The folds divide the training split. They have the same share of each class, and keep groups.

    Args:
      dataset: the dataset.
      num_folds: the number of folds.
      fold: the fold that validates, from 0.

    Raises:
      UserError: there are fewer examples or groups than folds.
    """
    labels, groups = likeliest(dataset.splits["train"].labels), dataset.groups("train")
    folds = assign_folds(labels, groups, num_folds, _HOLDOUT_SEED)
    if len(np.unique(folds)) < num_folds:
        things = "training examples" if groups is None else "groups of training pictures"
        raise UserError(f"config.folds = {num_folds}: there are fewer {things}")
    positions = np.arange(len(labels), dtype=np.int32)
    return {
        "train": View("train", positions[folds != fold]),
        "validation": View("train", positions[folds == fold]),
        "test": whole_split(dataset, "test"),
    }


def whole_split(dataset: Dataset, split: str) -> View:
    """Return all examples of a dataset's split."""
    return View(split, np.arange(len(dataset.splits[split].labels), dtype=np.int32))


def _cut_tail(indices: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept and the held-out examples; the number of kept ones is rounded down.

    Source: [homework], see docs/publications.md.
    """
    cut = min(int(len(indices) * (1 - fraction)), len(indices) - 1)
    return indices[:cut], indices[cut:]


def _cut_random(indices: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept and the held-out examples, drawn from all alike."""
    shuffled = np.random.default_rng(_HOLDOUT_SEED).permutation(indices)
    num_held_out = max(1, round(fraction * len(indices)))
    return np.sort(shuffled[num_held_out:]), np.sort(shuffled[:num_held_out])


def _cut_by_class(labels: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept and the held-out examples, with the same share of each class.

    If every class is too small for that, one example of the largest class is held out.
    """
    random = np.random.default_rng(_HOLDOUT_SEED)
    is_held_out = np.zeros(len(labels), bool)
    members = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    for positions in members:
        is_held_out[positions[: min(round(fraction * len(positions)), len(positions) - 1)]] = True
    if not is_held_out.any():
        is_held_out[max(members, key=len)[0]] = True
    positions = np.arange(len(labels), dtype=np.int32)
    return positions[~is_held_out], positions[is_held_out]


def _cut_by_group(
    dataset: Dataset, groups: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept and the held-out examples; no group is in both.

    Raises:
      UserError: each group is too large for the fraction, or holds a whole class.
    """
    labels = likeliest(dataset.splits["train"].labels)
    is_held_out = choose_groups(groups, labels, fraction, _HOLDOUT_SEED)
    if not is_held_out.any():
        raise UserError(
            f"config.validation_fraction = {fraction}: no group of pictures is small enough; "
            "choose a larger fraction, or give the validation pictures by the column split"
        )
    positions = np.arange(len(labels), dtype=np.int32)
    return positions[~is_held_out], positions[is_held_out]


def take_fraction(indices: np.ndarray, labels: np.ndarray, fraction: float) -> np.ndarray:
    """Return a fraction of the examples of each class, at least one, in the order of `indices`.

    A larger fraction contains the examples of a smaller one. The choice does not depend on the
    run's seed.

    Args:
      indices: int32 (num_examples,), positions in the split's arrays.
      labels: of the split, int (n,), or float (n, num_classes) distributions.
      fraction: more than 0, at most 1.
    """
    if fraction == 1:
        return indices
    classes = likeliest(labels[indices])
    order = np.random.default_rng(_FRACTION_SEED).permutation(len(indices))
    by_class = [order[classes[order] == number] for number in np.unique(classes)]
    kept = [positions[: max(1, round(fraction * len(positions)))] for positions in by_class]
    return indices[np.sort(np.concatenate(kept))]


def view_fingerprints(dataset: Dataset, views: dict[str, View]) -> dict[str, str]:
    """Return a digest of each view's examples, 32 hex digits; equal for equal examples only."""
    return {
        name: joined_digest(dataset.splits[view.split].digest, array_digest(view.indices))[:32]
        for name, view in views.items()
    }


def data_identity(dataset: Dataset, views: dict[str, View]) -> dict[str, Any]:
    """Return the facts that identify a run's data, ready for JSON; see `refuse_other_data`."""
    return {
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "num_examples": {name: len(view.indices) for name, view in views.items()},
        # of the training images
        "pixel_mean": np.round(dataset.pixel_mean.astype(np.float64), 3).tolist(),
        "pixel_std": np.round(dataset.pixel_std.astype(np.float64), 3).tolist(),
        "fingerprint": dataset.fingerprint,
        "split_fingerprints": view_fingerprints(dataset, views),
    }

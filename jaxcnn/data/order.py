"""Which examples each split of a run has, and the order in which an epoch reads them."""

import dataclasses
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.counts import likeliest
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.preparing.cache import array_digest, joined_digest
from jaxcnn.errors import UserError

# What is held out of the training split must not depend on the run's seed: runs of several
# seeds are compared on the same validation examples.
_HOLDOUT_SEED = 2026
_FRACTION_SEED = 2027


@dataclasses.dataclass(frozen=True)
class View:
    """Some examples of a split: which array they lie in, and where.

    Attributes:
      split: the name of the split.
      indices: int32 (num_examples,), positions in the split's arrays.
    """

    split: str
    indices: np.ndarray


def _whole(dataset: Dataset, split: str) -> View:
    return View(split, np.arange(len(dataset.splits[split].labels), dtype=np.int32))


def make_views(
    dataset: Dataset, validation: str, fraction: float, holdout: str = "stratified"
) -> dict[str, View]:
    """The examples for "train", "validation" and "test".

    Args:
      dataset: the dataset.
      validation: "holdout" (drawn from the training split), "tail" (the training split's last
        examples), "validation" (the publisher's own split) or "test" (the test split serves as
        validation split).
      fraction: the share of the training split that "holdout" and "tail" take.
      holdout: how "holdout" draws: "stratified" takes that share of each class, and never a
        class's only example; "random" draws from all examples alike.

    Raises:
      UserError: nothing would be left to train on.
    """
    train, test = _whole(dataset, "train"), _whole(dataset, "test")
    if validation == "test":
        return {"train": train, "validation": test, "test": test}
    if validation == "validation":
        return {"train": train, "validation": _whole(dataset, "validation"), "test": test}
    if validation == "tail":
        kept, held_out = _cut_tail(train.indices, fraction)
    elif holdout == "stratified":
        kept, held_out = _cut_by_class(likeliest(dataset.splits["train"].labels), fraction)
    else:
        kept, held_out = _cut_random(train.indices, fraction)
    if not len(kept):
        raise UserError(
            f"config.validation_fraction = {fraction}: nothing of the {len(held_out)} training "
            "examples would be left to train on"
        )
    return {"train": View("train", kept), "validation": View("train", held_out), "test": test}


def view_fingerprints(dataset: Dataset, views: dict[str, View]) -> dict[str, str]:
    """A digest of the examples of each view, 32 hex digits: equal for the same ones only."""
    return {
        name: joined_digest(dataset.splits[view.split].digest, array_digest(view.indices))[:32]
        for name, view in views.items()
    }


def data_identity(dataset: Dataset, views: dict[str, View]) -> dict[str, Any]:
    """What tells a run's data from others, as JSON holds it: see `refuse_other_data`."""
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


def views_of(config: ConfigDict, dataset: Dataset) -> dict[str, View]:
    """Return the examples for "train", "validation" and "test" that a config names.

    `dataset.fraction` is taken of "train" alone: accuracies of runs with unlike fractions are
    measured on the same examples.

    Raises:
      UserError: nothing would be left to train on.
    """
    views = make_views(dataset, config.validation, config.validation_fraction, config.holdout)
    whole, labels = views["train"], dataset.splits["train"].labels
    part = take_fraction(whole.indices, labels, config.dataset.fraction)
    return views | {"train": View(whole.split, part)}


def take_fraction(indices: np.ndarray, labels: np.ndarray, fraction: float) -> np.ndarray:
    """Return a fraction of the examples of each class, at least one, in the order of `indices`.

    A larger fraction has all examples of a smaller one. The choice does not depend on the run's
    seed.

    Args:
      indices: int32 (num_examples,), positions in the split's arrays.
      labels: the split's, int (n,), or distributions float (n, num_classes).
      fraction: more than 0, at most 1.
    """
    if fraction == 1:
        return indices
    classes = likeliest(labels[indices])
    order = np.random.default_rng(_FRACTION_SEED).permutation(len(indices))
    of_class = [order[classes[order] == each] for each in np.unique(classes)]
    kept = [positions[: max(1, round(fraction * len(positions)))] for positions in of_class]
    return indices[np.sort(np.concatenate(kept))]


def _cut_tail(indices: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """What is kept and what is held out; the number kept is rounded down, as it was where that cut
    was published (002_85aa68ec7028faa3.txt)."""
    cut = min(int(len(indices) * (1 - fraction)), len(indices) - 1)
    return indices[:cut], indices[cut:]


def _cut_random(indices: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """What is kept and what is held out, drawn from all alike."""
    shuffled = np.random.default_rng(_HOLDOUT_SEED).permutation(indices)
    num_held_out = max(1, round(fraction * len(indices)))
    return np.sort(shuffled[num_held_out:]), np.sort(shuffled[:num_held_out])


def _cut_by_class(labels: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """What is kept and what is held out, the same share of each class.

    Where every class is too small for that, one example of the largest class is held out.
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


def steps_per_epoch(num_examples: int, global_batch_size: int) -> int:
    """Batches in an epoch; the last one may be short."""
    return -(-num_examples // global_batch_size)


def in_batches(
    indices: np.ndarray, global_batch_size: int, *, num_devices: int, num_parts: int = 1
) -> np.ndarray:
    """Cuts indices into batches, and batches into the devices' parts.

    The last batch is filled up with examples of its own, marked as ones that don't count by
    their bitwise complement (which is negative): `mask = entry >= 0`. So is every batch where
    the devices and the parts they compute their share in don't divide it.

    Args:
      indices: int32 (num_examples,).
      global_batch_size: examples in a batch.
      num_devices: devices that share a batch.
      num_parts: parts in which a device computes its share.

    Returns:
      int32 (num_devices, steps, batch of a device).
    """
    steps = steps_per_epoch(len(indices), global_batch_size)
    multiple = num_devices * num_parts
    width = -(-global_batch_size // multiple) * multiple
    order = np.empty((steps, width), np.int32)
    for step in range(steps):
        batch = indices[step * global_batch_size : (step + 1) * global_batch_size]
        order[step] = np.resize(batch, width)
        order[step, len(batch) :] = ~order[step, len(batch) :]
    return np.ascontiguousarray(order.reshape(steps, num_devices, -1).transpose(1, 0, 2))


def shuffled(indices: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """The indices in the order of an epoch (0-based): a pure function of (seed, epoch)."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(indices)

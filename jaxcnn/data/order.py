"""The order in which an epoch reads its examples.

The batch of a step is a pure function of (seed, epoch, step): there is no iterator to save, so
resuming is exact.
"""

from collections.abc import Callable

import numpy as np

from jaxcnn.data.counts import likeliest

Order = Callable[[int], np.ndarray]  # an epoch (0-based) -> the examples in their order
_CLASS = 1 << 32  # keeps the keys of a class's order apart from those of an epoch's


def steps_per_epoch(num_examples: int, global_batch_size: int) -> int:
    """Return the number of batches in an epoch; the last one may be short."""
    return -(-num_examples // global_batch_size)


def shuffled(indices: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """Return the indices in the order of an epoch (0-based): a pure function of (seed, epoch)."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(indices)


def make_order(indices: np.ndarray, labels: np.ndarray, seed: int, sampling: str) -> Order:
    """Return the function that gives an epoch's examples in their order.

    Args:
      indices: int32 (num_examples,), the training examples' positions in their split.
      labels: of the split, int (n,), or float (n, num_classes) distributions.
      seed: of the run.
      sampling: "shuffle": each example once; "balanced": see `balanced`.
    """
    if sampling == "shuffle":
        return lambda epoch: shuffled(indices, seed=seed, epoch=epoch)
    classes = likeliest(labels[indices])
    members = [indices[classes == number] for number in np.unique(classes)]
    return lambda epoch: balanced(members, seed=seed, epoch=epoch)


def balanced(members: list[np.ndarray], *, seed: int, epoch: int) -> np.ndarray:
    """Return as many examples as there are, equally many of each class, in a shuffled order.

    If the classes do not divide the examples, the first ones get one more. A class deals its
    examples like a stack of cards: it goes on where the epoch before ended, and is shuffled again
    when it is used up. So over the epochs, the numbers of times that a class's examples are seen
    differ by at most one. Like `shuffled`, it is a pure function of (seed, epoch).

    Args:
      members: int32 (num_examples,) of each class; none is empty.
      seed: of the run.
      epoch: 0-based.
    """
    share, rest = divmod(sum(map(len, members)), len(members))
    dealt = [
        _deal(examples, share + (number < rest), seed=seed, number=number, epoch=epoch)
        for number, examples in enumerate(members)
    ]
    return shuffled(np.concatenate(dealt), seed=seed, epoch=epoch)


def _deal(examples: np.ndarray, count: int, *, seed: int, number: int, epoch: int) -> np.ndarray:
    """Return the `count` examples that a class deals in an epoch; `number` is the class's."""
    first, end = epoch * count, (epoch + 1) * count
    rounds = range(first // len(examples), -(-end // len(examples)))
    keys = ([seed + _CLASS * (number + 1), deal] for deal in rounds)
    stack = np.concatenate(
        [np.random.Generator(np.random.Philox(key=key)).permutation(examples) for key in keys]
    )
    start = first - rounds.start * len(examples)
    return stack[start : start + count]


def in_batches(
    indices: np.ndarray, global_batch_size: int, *, num_devices: int, num_parts: int = 1
) -> np.ndarray:
    """Return the indices cut into batches, and each batch cut into the devices' shares.

    A batch that is too short is filled up with its own examples: the last one of an epoch, or
    every one if devices and parts do not divide the batch size. The fillers do not count; their
    entries are bitwise complements, which are negative: `mask = entry >= 0`.

    Args:
      indices: int32 (num_examples,).
      global_batch_size: examples in a batch.
      num_devices: devices that share a batch.
      num_parts: parts in which a device computes its share.

    Returns:
      int32 (num_devices, steps, device_batch).
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

"""The order in which an epoch reads its examples.

The batch of a step is a pure function of (seed, epoch, step): there is no iterator to save, so
resuming is exact.
"""

import numpy as np


def steps_per_epoch(num_examples: int, global_batch_size: int) -> int:
    """Return the number of batches in an epoch; the last one may be short."""
    return -(-num_examples // global_batch_size)


def shuffled(indices: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """Return the indices in the order of an epoch (0-based): a pure function of (seed, epoch)."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(indices)


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

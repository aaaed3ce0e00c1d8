"""The order in which examples are seen, and the arrays on the devices that it points into.

The batch at a step is a pure function of (seed, epoch, step): there is no iterator to save, so
resuming is exact.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.data.dataset import Split


def put_split(split: Split, mesh: Mesh) -> dict[str, jax.Array]:
    """A split's arrays on every device: `images` uint8 (n, h, w, c) and `labels`."""
    everywhere = NamedSharding(mesh, PartitionSpec())
    arrays = {"images": np.asarray(split.images), "labels": np.asarray(split.labels)}
    return jax.device_put(arrays, everywhere)


def put_order(order: np.ndarray, mesh: Mesh) -> jax.Array:
    """An order, each device's part on its device."""
    return jax.device_put(order, NamedSharding(mesh, PartitionSpec("batch")))


def take_share(
    images: np.ndarray, labels: np.ndarray, order: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Of a split only what some devices take, in the order in which they take it.

    Args:
      images, labels: the split's, memory-mapped or the like: no other rows are read.
      order: int32 (devices, steps, batch of a device), the devices' part of one from `in_batches`.

    Returns:
      `images` uint8 (devices, n, h, w, c), `labels` (devices, n, …), and `indices` int32 (devices,
      n), where they stand in the split; and the order, pointing to a device's n rows.
    """
    rows = np.where(order >= 0, order, ~order).reshape(len(order), -1)
    positions = np.arange(rows.shape[1], dtype=np.int32).reshape(order.shape[1:])
    share = {"images": images[rows], "labels": labels[rows], "indices": rows}
    return share, np.where(order >= 0, positions, ~positions)


def own_part(order: np.ndarray, mesh: Mesh) -> np.ndarray:
    """An order's part for this process's own devices."""
    own = [device.process_index == jax.process_index() for device in mesh.devices.flat]
    return order[own]


def put_share(share: Any, mesh: Mesh) -> Any:
    """A pytree of arrays with an entry for each of this process's own devices, such as
    `take_share` takes: each one's part on it."""
    sharding = NamedSharding(mesh, PartitionSpec("batch"))

    def put(part: np.ndarray) -> jax.Array:
        shape = (mesh.devices.size, *part.shape[1:])
        return jax.make_array_from_process_local_data(sharding, part, shape)

    return jax.tree.map(put, share)

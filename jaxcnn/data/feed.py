"""The arrays on the devices: a split's images and labels, or shares of them, and the order.

An order, from `order.in_batches`, points into these arrays.
"""

from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.data.dataset import Split


class Rows(Protocol):
    """An array, or another source of the rows of one."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Return the rows of these numbers."""


def put_split(split: Split, mesh: Mesh) -> dict[str, jax.Array]:
    """Return a split's arrays on every device: `images` uint8 (n, h, w, c) and `labels`."""
    everywhere = NamedSharding(mesh, PartitionSpec())
    arrays = {"images": np.asarray(split.images), "labels": np.asarray(split.labels)}
    return jax.device_put(arrays, everywhere)


def put_order(order: np.ndarray, mesh: Mesh) -> jax.Array:
    """Return an order on the devices, each device with its own part."""
    return jax.device_put(order, NamedSharding(mesh, PartitionSpec("batch")))


def own_part(order: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Return the part of an order for the devices of this process."""
    is_own = [device.process_index == jax.process_index() for device in mesh.devices.flat]
    return order[is_own]


def take_share(
    images: Rows, labels: Rows, order: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the rows of a split that the given devices read, in reading order.

    Args:
      images: of the split, uint8 (num_examples, h, w, c); no other rows are read.
      labels: of the split, (num_examples, …).
      order: int32 (devices, steps, device_batch), the devices' part of an order from `in_batches`.

    Returns:
      Arrays by name, and the order that points to a device's n rows. The arrays are `images` uint8
      (devices, n, h, w, c), `labels` (devices, n, …), and `indices` int32 (devices, n), the rows'
      positions in the split.
    """
    rows = np.where(order >= 0, order, ~order).reshape(len(order), -1)
    positions = np.arange(rows.shape[1], dtype=np.int32).reshape(order.shape[1:])
    share = {"images": images[rows], "labels": labels[rows], "indices": rows}
    return share, np.where(order >= 0, positions, ~positions)


def put_share(share: Any, mesh: Mesh) -> Any:
    """Return a share on the devices of this process, each device with its own entries.

    Args:
      share: a pytree of arrays (own devices, …), for example from `take_share`.
      mesh: the devices of all processes.
    """
    sharding = NamedSharding(mesh, PartitionSpec("batch"))

    def put(part: np.ndarray) -> jax.Array:
        shape = (mesh.devices.size, *part.shape[1:])
        return jax.make_array_from_process_local_data(sharding, part, shape)

    return jax.tree.map(put, share)

"""Defaults that depend on the devices, for settings that a config leaves open."""

import math
import sys
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.process import memory

_FEW_FLOPS = 10e6  # of a forward pass, per image
_MAX_STREAMED_BYTES = 64 << 20  # of images in one call of an accelerator


def usual_num_devices(network: models.Summary) -> int:
    """Return the usual `config.num_devices`: 1 for mostly dense networks on a CPU, else 0 for all.

    Exchanging the gradients of many parameters between simulated devices costs more than it saves.
    The cores share each product of one device anyway.
    """
    is_simulated = jax.default_backend() == "cpu" and jax.process_count() == 1
    return int(is_simulated and is_mostly_dense(network))


def is_mostly_dense(network: models.Summary) -> bool:
    """Return whether most parameters are of dense layers, such as AlexNet's.

    A dense layer uses each parameter once per image, a convolution at each position of the map.
    """
    return network.flops < 4 * network.parameters


def evaluation_options(network: models.Summary) -> dict[str, Any]:
    """Return XLA's compiler options for evaluation; none outside a CPU.

    Small networks on a CPU use XLA's own convolutions. YNNPACK fuses several convolutions into one
    loop, which takes up to twice as long there.
    """
    has_option = jax.__version_info__ < (0, 11)  # an experimental option may change
    is_small = network.flops < _FEW_FLOPS
    if jax.default_backend() != "cpu" or not is_small or not has_option:
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def usual_steps_per_dispatch(
    config: ConfigDict, dataset: Dataset, steps_per_epoch: int, streams: bool
) -> int:
    """Return the usual `config.steps_per_dispatch`: 1 on a CPU, else up to 64.

    On a CPU, XLA's convolutions lose their threads inside a scan. On an accelerator it is the
    largest number up to 64 that divides an epoch. If that is below 16, it is 32, and the rest of an
    epoch is done in single steps. A call of a streaming run gets at most 64 MiB of images.
    """
    if jax.default_backend() == "cpu":
        return 1
    most = 64
    if streams:
        batch_bytes = config.global_batch_size * math.prod(dataset.image_shape)
        most = min(most, max(1, _MAX_STREAMED_BYTES // batch_bytes))
    largest = max(n for n in range(1, most + 1) if steps_per_epoch % n == 0)
    return largest if largest >= most // 4 else min(max(1, most // 2), steps_per_epoch)


def must_stream(splits: Iterable[Split], mesh: Mesh) -> bool:
    """Return whether splits do not fit into a device's memory, but lie on disk.

    In a group of processes each device holds only the examples that it reads.
    """
    splits = list(splits)
    on_disk = all(isinstance(split.images, np.memmap) for split in splits)
    needed = sum(split.images.nbytes for split in splits)
    return on_disk and not mesh.is_multi_process and needed > room_for_data(mesh)


def room_for_data(mesh: Mesh) -> int:
    """Return how many bytes of data a device may hold: two thirds of its memory."""
    return device_memory(mesh) * 2 // 3


def device_memory(mesh: Mesh) -> int:
    """Return the bytes of memory of a device.

    Simulated devices share the memory of the machine, or of its container. It is very large for
    devices that do not report their memory.
    """
    device = mesh.devices.flat[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    if device.platform != "cpu":
        return sys.maxsize
    return memory.total() // mesh.devices.size

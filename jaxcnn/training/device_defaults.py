"""Settings that a config leaves open, chosen for the devices."""

import math
import os
import sys
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.dataset import Dataset

_FEW_FLOPS = 10e6  # forward, an image
_STREAMED_BYTES = 64 << 20  # of images in one call of an accelerator, at most
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")  # Linux: bytes, or "max"


def usual_num_devices(network: models.Summary) -> int:
    """Return 1 on a CPU for a network mostly of dense layers, such as AlexNet, else 0 for all.

    A dense layer uses each parameter once per image. An exchange of gradients between simulated
    devices costs more than it saves, and within one device the cores share each product.
    """
    simulated = jax.default_backend() == "cpu" and jax.process_count() == 1
    return int(simulated and network.flops < 4 * network.parameters)


def evaluation_options(network: models.Summary) -> dict[str, Any]:
    """Return XLA's options for evaluation: on a CPU, small networks take its own convolutions.

    YNNPACK joins several convolutions in one loop, which takes up to twice as long there.
    """
    knows_it = jax.__version_info__ < (0, 11)  # an experimental option may change
    is_small = network.flops < _FEW_FLOPS
    if jax.default_backend() != "cpu" or not is_small or not knows_it:
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def usual_steps_per_dispatch(config: ConfigDict, dataset: Dataset, steps_per_epoch: int) -> int:
    """Return 1 on a CPU, where XLA's convolutions lose their threads in a scan, else up to 64.

    On an accelerator it is the largest number up to 64 that divides an epoch. Where that is small,
    it is 32, with single steps at the epoch's end. Streamed, a call takes at most 64 MiB of images.
    """
    if jax.default_backend() == "cpu":
        return 1
    most = 64
    if config.dataset.streaming:
        batch_bytes = config.global_batch_size * math.prod(dataset.image_shape)
        most = min(most, max(1, _STREAMED_BYTES // batch_bytes))
    largest = max(n for n in range(1, most + 1) if steps_per_epoch % n == 0)
    return largest if largest >= most // 4 else min(max(1, most // 2), steps_per_epoch)


def room_for_data(mesh: Mesh) -> int:
    """Return the bytes of data that a device may hold: two thirds of its memory.

    Simulated devices share the memory of the machine or of the container.
    """
    device = mesh.devices.flat[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] * 2 // 3
    if device.platform != "cpu":
        return sys.maxsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER_MEMORY.read_text().strip() if _CONTAINER_MEMORY.exists() else "max"
    if limit != "max":
        memory = min(memory, int(limit))
    return memory * 2 // 3 // mesh.devices.size

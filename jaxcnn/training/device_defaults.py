"""Settings that a config leaves open, chosen for the devices."""

import math
import os
import sys
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.dataset import Dataset

_FEW_FLOPS = 10e6  # forward, an image
_STREAMED_BYTES = 64 << 20  # of images in one call of an accelerator, at most
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")  # Linux: bytes, or "max"


def usual_num_devices(model: nnx.Module) -> int:
    """One simulated device for a network mostly of dense layers, such as AlexNet, else all (0).

    Each of their parameters is used once an image, so that to exchange gradients costs more than a
    device saves; within one, the cores share each product.
    """
    simulated = jax.default_backend() == "cpu" and jax.process_count() == 1
    network = models.summary(model)
    return int(simulated and network.flops < 4 * network.parameters)


def evaluation_options(model: nnx.Module) -> dict[str, Any]:
    """XLA's options for evaluation on a CPU: for a small network its own convolutions in place of
    YNNPACK's, which join several in one loop and take up to twice as long."""
    knows_it = jax.__version_info__ < (0, 11)  # an experimental option may change
    is_small = models.summary(model).flops < _FEW_FLOPS
    if jax.default_backend() != "cpu" or not is_small or not knows_it:
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def usual_steps_per_dispatch(config: ConfigDict, dataset: Dataset, steps_per_epoch: int) -> int:
    """On an accelerator the largest number up to 64 that divides an epoch, or 32 with some single
    steps at its end where that is small. Streamed, no more than 64 MiB of images."""
    if jax.default_backend() == "cpu":
        return 1
    most = 64
    if config.dataset.streaming:
        batch_bytes = config.global_batch_size * math.prod(dataset.image_shape)
        most = min(most, max(1, _STREAMED_BYTES // batch_bytes))
    largest = max(n for n in range(1, most + 1) if steps_per_epoch % n == 0)
    return largest if largest >= most // 4 else min(max(1, most // 2), steps_per_epoch)


def room_for_data(mesh: Mesh) -> int:
    """Bytes of data that a device may hold: two thirds of its memory; simulated ones share the
    machine's, or the container's."""
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

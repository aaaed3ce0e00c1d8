"""The devices that compute: JAX is started, and the user is told what it computes on."""

import contextlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.process import group, numerics

_GPUS = ("gpu", "cuda", "rocm")  # JAX's names of platforms
_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"  # no kernel is chosen by its time either


def start(deterministic: bool = False) -> None:
    """Start JAX on its devices, where nothing has done so yet.

    Args:
      deterministic: GPUs shall give the same bits each time; without effect once JAX has started.

    Raises:
      UserError: JAX has none of the kind that it is told to use, or is set so that it cannot train.
    """
    import jax
    from jax._src import xla_bridge  # which alone knows whether JAX has started

    numerics.check_settings()
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and not xla_bridge.backends_are_initialized():
        os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC}"
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where none of its kind is there
        group.end_if_lost(error)
        asked = os.environ.get("JAX_PLATFORMS")
        where = f"JAX_PLATFORMS={asked}: " if asked else ""
        reason = " ".join(str(error).split())[:300] or "there is none"
        raise UserError(
            f"{where}JAX cannot start its devices ({reason}); for NVIDIA GPUs: pip install -e "
            "'.[cuda]'; JAX_PLATFORMS=cpu takes the CPU"
        ) from error


def are_exact(devices: Sequence[Any]) -> bool:
    """Whether the same program gives the same bits each time: a GPU's does where XLA is told so."""
    on_gpus = any(device.platform in _GPUS for device in devices)
    return not on_gpus or _DETERMINISTIC in os.environ.get("XLA_FLAGS", "")


def device_name(device: Any) -> str:
    """Such as `NVIDIA H100 80GB HBM3`, or the processor's name for a simulated host device."""
    if device.platform == "cpu":
        with contextlib.suppress(OSError, StopIteration):  # other systems than Linux lack the file
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            line = next(line for line in lines if line.startswith("model name"))
            return line.partition(":")[2].strip()
    return device.device_kind


def describe(devices: Sequence[Any]) -> str:
    """Return the devices in words: `8 × NVIDIA H100 80GB HBM3`, or `2 simulated devices on` a
    processor; in a group of processes also how many these are."""
    kinds = Counter((device.platform == "cpu", device_name(device)) for device in devices)
    words = [
        f"{count} simulated device{'s' * (count > 1)} on {name}" if is_cpu else f"{count} × {name}"
        for (is_cpu, name), count in kinds.items()
    ]
    processes = len({device.process_index for device in devices})
    return ", ".join(words) + (f", in {processes} processes" if processes > 1 else "")

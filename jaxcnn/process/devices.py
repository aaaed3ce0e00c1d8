"""The devices that compute: starting JAX on them, and describing them to the user."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.process import group, numerics
from jaxcnn.text import one_line

_GPUS = ("gpu", "cuda", "rocm")  # JAX's names of platforms
_DETERMINISTIC = (
    "--xla_gpu_deterministic_ops=true"  # it also keeps XLA from choosing kernels by speed
)


def have_started() -> bool:
    """Return whether JAX has started its devices."""
    if "jax" not in sys.modules:
        return False
    from jax._src import xla_bridge  # only it knows

    return xla_bridge.backends_are_initialized()


def start(deterministic: bool = False) -> None:
    """Start JAX on its devices, unless it has started.

    Args:
      deterministic: make GPUs give the same bits each time; no effect once JAX has started.

    Raises:
      UserError: JAX has no device of the requested platform, or its settings prevent training.
    """
    import jax

    numerics.check_settings()
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and not have_started():
        os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC}"
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # AssertionError without a device
        group.end_if_lost(error)
        platforms = os.environ.get("JAX_PLATFORMS")
        prefix = f"JAX_PLATFORMS={platforms}: " if platforms else ""
        reason = one_line(error)[:300]
        raise UserError(
            f"{prefix}JAX cannot start its devices ({reason}); for NVIDIA GPUs: pip install -e "
            "'.[cuda]'; JAX_PLATFORMS=cpu selects the CPU"
        ) from error


def are_exact(devices: Sequence[Any]) -> bool:
    """Return whether a program gives the same bits each time; GPUs need a flag of XLA for it."""
    has_gpus = any(device.platform in _GPUS for device in devices)
    return not has_gpus or _DETERMINISTIC in os.environ.get("XLA_FLAGS", "")


def device_name(device: Any) -> str:
    """Return a GPU's or TPU's name, or the processor's name for a simulated CPU device.

    For example `NVIDIA H100 80GB HBM3`.
    """
    if device.platform == "cpu":
        with contextlib.suppress(OSError, StopIteration):  # only Linux has the file
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            line = next(line for line in lines if line.startswith("model name"))
            return line.partition(":")[2].strip()
    return device.device_kind


def describe(devices: Sequence[Any]) -> str:
    """Return the devices in words, with the number of processes if there are several.

    For example `8 × NVIDIA H100 80GB HBM3`, or `2 simulated devices on` and the processor's name.
    """
    kinds = Counter((device.platform == "cpu", device_name(device)) for device in devices)
    words = [
        f"{count} simulated device{'s' * (count > 1)} on {name}" if is_cpu else f"{count} × {name}"
        for (is_cpu, name), count in kinds.items()
    ]
    processes = len({device.process_index for device in devices})
    return ", ".join(words) + (f", in {processes} processes" if processes > 1 else "")

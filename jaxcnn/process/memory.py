"""The memory of devices, of this process and of the machine."""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_MACHINE = Path("/proc/meminfo")
_LIMITS = Path("/sys/fs/cgroup")  # of a container


def peak_memory(devices: Sequence[Any]) -> tuple[int, bool]:
    """Return the peak memory in bytes, and whether it is that of a device.

    Args:
      devices: of this process. The figure is of the one that needed most. CPU devices count no
        memory; then the figure is the process's peak resident memory.
    """
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use", 0) for device in devices]
    return (max(peaks), True) if any(peaks) else (peak_resident(), False)


def peak_resident() -> int:
    """Return the peak resident memory of this process in bytes."""
    if _STATUS.exists():  # the resource module's figure is not less than the parent process's
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    import resource  # which Windows lacks

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def total() -> int:
    """Return the memory of the machine in bytes, or the limit of its container if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(machine, _limit("memory.max")))


def available() -> float:
    """Return the memory in bytes that this process may still take; infinity where it is unknown.

    It is the machine's free memory, or what is left of a container's limit.
    """
    if not _MACHINE.exists():
        return math.inf
    fields = dict(line.split(":", 1) for line in _MACHINE.read_text().splitlines())
    return min(1024 * float(fields["MemAvailable"].split()[0]), _left_of_limit())


def _left_of_limit() -> float:
    limit, used = _limit("memory.max"), _limit("memory.current")
    return math.inf if math.inf in (limit, used) else limit - used


def _limit(name: str) -> float:
    try:
        return float((_LIMITS / name).read_text())
    except (OSError, ValueError):  # there is no such file, or "max" for no limit
        return math.inf

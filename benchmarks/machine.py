"""The machine that a benchmark runs on: its name, its load, the memory of a process."""

import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np

BUSY_CORES = 0.2  # from here on, other processes spoil a comparison


def has_gpu() -> bool:
    """Return whether there is an NVIDIA GPU that JAX may use."""
    return any(Path("/dev").glob("nvidia[0-9]*")) and os.environ.get("JAX_PLATFORMS") != "cpu"


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def describe() -> str:
    """Return the names of the processor and of the GPU, if one is used, and the number of cores."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        fields = (line.partition(":") for line in info.read_text().splitlines())
        name = {key.strip(): value.strip() for key, _, value in fields}.get("model name", name)
    if has_gpu():
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
        return f"{gpus[0] if gpus else 'GPU'}; {name}, {num_cores()} cores"
    return f"{name}, {num_cores()} cores"


def busy_cores(seconds: float = 0.5) -> float:
    """Return how many cores other processes use while ours wait; 0 where there is no /proc."""
    if not Path("/proc/stat").exists():
        return 0.0

    def ticks() -> np.ndarray:  # user, nice, system, idle, waiting for disks, …, since the start
        return np.array(Path("/proc/stat").read_text().split()[1:9], float)

    before = ticks()
    time.sleep(seconds)
    passed = ticks() - before
    return round(float(1 - passed[3:5].sum() / passed.sum()) * os.cpu_count(), 2)

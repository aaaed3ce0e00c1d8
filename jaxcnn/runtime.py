"""The process, set up before JAX starts: heap, host devices, compile cache, quiet libraries."""

import ctypes
import functools
import inspect
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

_HOST_DEVICES = "--xla_force_host_platform_device_count"
# glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_HOLES = (2**16, 2**14)  # bytes
_MOST_HOLES = 2**12  # of a size
_LONG_ROW = 64  # blocks side by side: what they are taken from is no mere hole
_ROOM = 2**26  # bytes
_LONG_COMPILATION = 0.1  # seconds, or the reading of a large program from the cache
_blocks: list[int] = []  # that fill the holes


def prepare() -> None:
    """Sets up the process. It must run before the first JAX computation."""
    keep_heap()
    _host_device_per_core()
    _quiet_libraries()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "jaxcnn" / "xla"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def keep_heap() -> None:
    """Keeps freed memory in the process: XLA's CPU temporaries are otherwise mapped every step."""
    c = _glibc()
    if c is not None:
        c.mallopt(_M_MMAP_MAX, 0)
        c.mallopt(_M_TRIM_THRESHOLD, -1)
        c.mallopt(_M_ARENA_MAX, 1)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where its heap is the one that is tuned here; musl has no `mallopt`."""
    c = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return c if hasattr(c, "mallopt") else None


@functools.cache
def fill_holes_after_compiling() -> None:
    """From now on, calls `fill_holes` after each long compilation, before what it made runs."""
    import jax

    def listen(event: str, seconds: float, **_: Any) -> None:
        is_compilation = event.endswith("backend_compile_duration")
        if is_compilation and seconds > _LONG_COMPILATION and jax.default_backend() == "cpu":
            fill_holes()

    if _glibc() is not None:
        jax.monitoring.register_event_duration_secs_listener(listen)


def fill_holes() -> None:
    """Takes the heap's holes out of use until the next call, and gives their memory back.

    A compiler leaves thousands, of as many sizes. glibc keeps them sorted in a list, and walks
    along it whenever XLA's convolutions allocate, while the other devices wait for the heap.
    It must be glibc's heap, as `fill_holes_after_compiling` sees to.
    """
    c = ctypes.CDLL(None)
    c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
    while _blocks:
        c.free(_blocks.pop())
    c.malloc_trim(0)
    for size in _HOLES:  # the smallest hole that is large enough comes first
        row: list[int] = []
        for _ in range(_MOST_HOLES):
            block = c.malloc(size)
            is_next = bool(row) and block == row[-1] + size + 16  # with its header
            if not is_next:
                _blocks.extend(row)
                row = []
            row.append(block)
            if block is None or len(row) == _LONG_ROW:
                break
        for block in row:
            c.free(block)
    # a hole of its own for what is small: else it is cut out of the large ones that a step frees
    room, fence = c.malloc(_ROOM), c.malloc(_ROOM)
    _blocks.append(fence)
    c.free(room)


def _host_device_per_core() -> None:
    """One CPU device a core: data parallelism uses the cores better than XLA's own threads."""
    xla_flags = os.environ.get("XLA_FLAGS", "")
    is_one_of_several = "JAX_NUM_PROCESSES" in os.environ  # they may share the cores: one each
    if _HOST_DEVICES not in xla_flags and not is_one_of_several:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        os.environ["XLA_FLAGS"] = f"{xla_flags} {_HOST_DEVICES}={min(cores or 1, 8)}".strip()


def _quiet_libraries() -> None:
    """Keeps the libraries' warnings from the user: they are ours to mend, not theirs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.warnoptions:  # `python -W …` still shows them
        warnings.simplefilter("ignore")
    # Orbax raises its writing thread's errors again in the main one, which tells of them in a line
    threading.excepthook = lambda _: None
    sys.unraisablehook = _tell_all_but_abandoned_io
    for name in ("jax", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that nobody waited for


def _tell_all_but_abandoned_io(unraisable: "sys.UnraisableHookArgs") -> None:
    """A write that failed leaves TensorStore calling back to a loop that is gone, and a read that
    failed leaves the others' coroutines behind, each with a traceback."""
    is_abandoned = inspect.iscoroutine(unraisable.object)
    if not is_abandoned and str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)

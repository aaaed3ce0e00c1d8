"""The process, set up before JAX starts: heap, host devices, compile cache, quiet libraries."""

import contextlib
import inspect
import logging
import os
import sys
import threading
import warnings
from pathlib import Path

from jaxcnn import heap

_HOST_DEVICES = "--xla_force_host_platform_device_count"


def prepare() -> None:
    """Sets up the process. It must run before the first JAX computation."""
    heap.keep_freed_memory()
    _schedule_as_batch()
    _host_device_per_core()
    _quiet_libraries()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "jaxcnn" / "xla"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def _schedule_as_batch() -> None:
    """A thread that wakes up waits for its turn, where Linux would interrupt another's operation.

    The threads of two devices and of XLA's pool, more than there are cores, hinder each other less.
    """
    with contextlib.suppress(AttributeError, OSError):  # not on Linux; forbidden in a container
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # all threads inherit it


def _host_device_per_core() -> None:
    """One CPU device a core: data parallelism uses the cores better than XLA's own threads."""
    xla_flags = os.environ.get("XLA_FLAGS", "")
    one_of_several = os.environ.get("JAX_NUM_PROCESSES")  # they may share the cores: one each
    if _HOST_DEVICES not in xla_flags and not one_of_several:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        os.environ["XLA_FLAGS"] = f"{xla_flags} {_HOST_DEVICES}={min(cores or 1, 8)}".strip()


def _quiet_libraries() -> None:
    """Keeps the libraries' warnings from the user: they are ours to mend, not theirs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # XLA's errors that stop nothing, such as "Very slow compile?", are logged by native code, whose
    # level JAX sets from this; "jax._src" below keeps those of Python
    os.environ.setdefault("JAX_LOGGING_LEVEL", "CRITICAL")
    if not sys.warnoptions:  # `python -W …` still shows them
        warnings.simplefilter("ignore")
    # Orbax raises its writing thread's errors again in the main one, which tells of them in a line
    threading.excepthook = lambda _: None
    sys.unraisablehook = _tell_all_but_abandoned_io
    for name in ("jax", "jax._src", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that nobody waited for


def _tell_all_but_abandoned_io(unraisable: "sys.UnraisableHookArgs") -> None:
    """A write that failed leaves TensorStore calling back to a loop that is gone, and a read that
    failed leaves the others' coroutines behind, each with a traceback."""
    is_abandoned = inspect.iscoroutine(unraisable.object)
    if not is_abandoned and str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)

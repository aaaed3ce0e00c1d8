"""The process, set up before JAX starts: heap, host devices, compile cache, quiet libraries."""

import contextlib
import inspect
import io
import logging
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path

from jaxcnn.errors import UserError
from jaxcnn.process import group, heap

_HOST_DEVICES = "--xla_force_host_platform_device_count"
# what this code is written for; a stricter value is for other code, and would only end ours
_AS_WRITTEN_FOR = {
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_NUMPY_RANK_PROMOTION": "allow",
    "JAX_TRANSFER_GUARD": "allow",
}


def prepare() -> None:
    """Sets up the process. It must run before the first JAX computation."""
    heap.keep_freed_memory()
    _schedule_as_batch()
    _host_device_per_core()
    _quiet_libraries()
    _tolerant_output()
    os.environ.update(_AS_WRITTEN_FOR)
    cache = _cache_folder()
    if cache is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def _tolerant_output() -> None:
    """A terminal gets "?" for what it cannot show, and a closed stream is one that nobody reads."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _cache_folder() -> Path | None:
    """The folder of compiled programs; None where there is no home directory.

    An XDG_CACHE_HOME that is not absolute counts as none, as its specification has it.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return Path(base, "jaxcnn", "xla") if os.path.isabs(base) else None


def _schedule_as_batch() -> None:
    """A thread that wakes up waits for its turn, where Linux would interrupt another's operation.

    The threads of two devices and of XLA's pool, more than there are cores, hinder each other less.
    """
    with contextlib.suppress(AttributeError, OSError):  # not on Linux; forbidden in a container
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # all threads inherit it


def _host_device_per_core() -> None:
    """One CPU device a core: data parallelism uses the cores better than XLA's own threads."""
    xla_flags = _xla_flags()
    one_of_several = os.environ.get("JAX_NUM_PROCESSES")  # they may share the cores: one each
    if _HOST_DEVICES not in xla_flags and not one_of_several:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        os.environ["XLA_FLAGS"] = f"{xla_flags} {_HOST_DEVICES}={min(cores or 1, 8)}".strip()


def _xla_flags() -> str:
    """XLA_FLAGS, or what the file holds that it names: flags are added, and XLA would take them for
    a part of the file's name.

    Raises:
      UserError: it holds no flags, and there is no such file.
    """
    text = os.environ.get("XLA_FLAGS", "").strip()
    if not text or text.startswith("-"):
        return text
    try:
        os.environ["XLA_FLAGS"] = " ".join(Path(text).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise UserError(f"XLA_FLAGS = {text!r}: neither flags, nor a file of them") from error
    return os.environ["XLA_FLAGS"]


def _quiet_libraries() -> None:
    """Keeps the libraries' warnings from the user: they are ours to mend, not theirs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # XLA's errors that stop nothing, such as "Very slow compile?", are logged by native code, whose
    # level JAX sets from this; "jax._src" below keeps those of Python
    os.environ.setdefault("JAX_LOGGING_LEVEL", "CRITICAL")
    if not sys.warnoptions:  # `python -W …` still shows them
        warnings.simplefilter("ignore")
    elif any(option.startswith("error") for option in sys.warnoptions):  # `-W error` is for ours
        warnings.filterwarnings("default", module="(?!jaxcnn|__main__)")
    threading.excepthook = _tell_all_but_orbax
    sys.unraisablehook = _tell_all_but_abandoned_io
    for name in ("jax", "jax._src", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _tell_of_missing_devices()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that nobody waited for


def _tell_of_missing_devices() -> None:
    """Lets through JAX's warnings that it has not found, or cannot start, a device."""
    logger = logging.getLogger("jax._src.xla_bridge")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(_MissingDevice())


class _MissingDevice(logging.Handler):
    """Prints such a warning on one line, with what to do."""

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        advice = " For NVIDIA GPUs: pip install -e '.[cuda]';" if "CUDA" in text else ""
        print(
            f"{group.label()}warning: {text}{advice} JAX_PLATFORMS=cpu takes the CPU",
            file=sys.stderr,
        )


def _tell_all_but_orbax(failed: "threading.ExceptHookArgs") -> None:
    """Orbax raises its writing threads' errors again in the main one, which tells of them."""
    frames = (frame for frame, _ in traceback.walk_tb(failed.exc_traceback))
    if not any(frame.f_globals.get("__name__", "").startswith("orbax.") for frame in frames):
        threading.__excepthook__(failed)


def _tell_all_but_abandoned_io(unraisable: "sys.UnraisableHookArgs") -> None:
    """A write that failed leaves TensorStore calling back to a loop that is gone, and a read that
    failed leaves the others' coroutines behind, each with a traceback."""
    is_abandoned = inspect.iscoroutine(unraisable.object)
    is_closed = str(unraisable.exc_value) == "Event loop is closed"
    is_answered = isinstance(unraisable.exc_value, KeyboardInterrupt)  # by `signals`
    if not (is_abandoned or is_closed or is_answered):
        sys.__unraisablehook__(unraisable)

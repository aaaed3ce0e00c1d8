"""The preparation of a process for JAX: heap, host devices, compile cache, quiet libraries."""

import io
import logging
import os
import sys
import warnings
from pathlib import Path

from jaxcnn.errors import UserError
from jaxcnn.process import devices, group, heap, hooks, tuning

_HOST_DEVICES = "--xla_force_host_platform_device_count"
MOST_DEVICES = 8  # of a CPU
_CACHE_FOLDER = "JAX_COMPILATION_CACHE_DIR"
_CACHE_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
# jaxcnn is written for these values, and fails with stricter ones
_REQUIRED = {
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_NUMPY_RANK_PROMOTION": "allow",
    "JAX_TRANSFER_GUARD": "allow",
}


def prepare() -> None:
    """Prepare the process of a command; it must run before JAX's first computation.

    It changes the whole process, so only commands call it, never an import.
    """
    _tune()
    _quiet_libraries()
    _tolerant_output()
    os.environ.update(_REQUIRED)


def tune_host() -> bool:
    """Give this process the settings for speed that the commands have.

    - Freed memory stays in the process (glibc's heap): a step's temporaries fit there again.
    - The scheduling policy is SCHED_BATCH (Linux).
    - The CPU is one JAX device per core, at most eight, and runs use them in parallel. With GPUs or
      TPUs this changes nothing.
    - Compiled programs are kept on the disk, in `~/.cache/jaxcnn/xla`.

    No number changes beyond rounding. Call it before JAX starts: before the first array or
    `jax.devices()`; `import jax` does not start it. It changes the whole process, for other
    programs of JAX too. The environment variables `XLA_FLAGS` and `JAX_COMPILATION_CACHE_DIR` take
    precedence if they are set, and `JAXCNN_HOST_TUNING=0` leaves the heap and the policy unchanged.

    Returns:
      True if all settings have effect; False, with a warning, if JAX has started, because its
      number of devices stays.
    """
    is_started = devices.have_started()
    _tune()
    import jax

    if getattr(jax.config, _CACHE_FOLDER.lower()) is None:  # JAX was imported before `_tune`
        seconds = float(os.environ[_CACHE_SECONDS])
        jax.config.update(_CACHE_FOLDER.lower(), os.environ.get(_CACHE_FOLDER))
        jax.config.update(_CACHE_SECONDS.lower(), seconds)
    heap.tidy_after_compiling()
    if is_started:
        warnings.warn(
            "jaxcnn.tune_host(): JAX has started, so its number of CPU devices stays; call it "
            "before the first computation",
            stacklevel=2,
        )
    return not is_started


def _tune() -> None:
    """Set what speeds up a CPU: heap, scheduling policy, devices, and the compile cache."""
    heap.keep_freed_memory()
    tuning.schedule_as_batch()
    _host_device_per_core()
    cache = _cache_folder()
    if cache is not None:
        os.environ.setdefault(_CACHE_FOLDER, str(cache))
    os.environ.setdefault(_CACHE_SECONDS, "0.5")


def _tolerant_output() -> None:
    """Print "?" for characters that stdout cannot show, and ignore output to closed streams."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _cache_folder() -> Path | None:
    """Return the folder of compiled programs; None without a home directory.

    A relative XDG_CACHE_HOME is ignored, as its specification says.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return Path(base, "jaxcnn", "xla") if os.path.isabs(base) else None


def _host_device_per_core() -> None:
    """Ask XLA for one CPU device per core, at most eight.

    Data parallelism uses the cores better than XLA's own threads. A process of a group keeps one
    device, as the processes may share the cores.
    """
    xla_flags = _xla_flags()
    is_in_group = os.environ.get("JAX_NUM_PROCESSES")
    if _HOST_DEVICES not in xla_flags and not is_in_group:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        os.environ["XLA_FLAGS"] = (
            f"{xla_flags} {_HOST_DEVICES}={min(cores or 1, MOST_DEVICES)}".strip()
        )


def _xla_flags() -> str:
    """Return XLA_FLAGS; if it names a file of flags, replace it by the file's content.

    XLA would take an added flag for a part of the file's name.

    Raises:
      UserError: its value is neither flags nor the name of a file that can be read.
    """
    text = os.environ.get("XLA_FLAGS", "").strip()
    if not text or text.startswith("-"):
        return text
    try:
        os.environ["XLA_FLAGS"] = " ".join(Path(text).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise UserError(f"XLA_FLAGS = {text!r}: must be flags, or a file with flags") from error
    return os.environ["XLA_FLAGS"]


def _quiet_libraries() -> None:
    """Hide warnings of the libraries, which a user cannot act on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # the level of JAX's native code: it logs alarms that stop nothing, such as "Very slow compile?"
    os.environ.setdefault("JAX_LOGGING_LEVEL", "CRITICAL")
    if not sys.warnoptions:  # `python -W …` still shows them
        warnings.simplefilter("ignore")
    elif any(option.startswith("error") for option in sys.warnoptions):  # errors in jaxcnn alone
        warnings.filterwarnings("default", module="(?!jaxcnn|__main__)")
    hooks.install()
    for name in ("jax", "jax._src", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _report_missing_devices()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it reports abandoned tasks


def _report_missing_devices() -> None:
    """Show JAX's warnings about a device that it does not find, or cannot start."""
    logger = logging.getLogger("jax._src.xla_bridge")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(_MissingDevice())


class _MissingDevice(logging.Handler):
    """A handler that prints the warning on one line, with advice."""

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        advice = " For NVIDIA GPUs: pip install -e '.[cuda]';" if "CUDA" in text else ""
        print(
            f"{group.label()}warning: {text}{advice} JAX_PLATFORMS=cpu selects the CPU",
            file=sys.stderr,
        )

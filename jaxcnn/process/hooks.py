"""Exception hooks that drop errors which are reported elsewhere.

Each hook drops the errors that its docstring names. Every other error goes to the hook that was
installed before.
"""

import functools
import inspect
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# packages whose coroutines an ended read leaves behind
_READERS = {"jax", "orbax", "tensorstore"}


@functools.cache
def install() -> None:
    """Install both hooks, once in a process."""
    threading.excepthook = _thread_hook(threading.excepthook)
    sys.unraisablehook = _unraisable_hook(sys.unraisablehook)


def _thread_hook(previous: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a `threading.excepthook` that drops errors of threads that run Orbax's code.

    Orbax raises them again in the thread that waits for the checkpoint.
    """

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not _is_of_orbax(failure):
            previous(failure)

    return hook


def _is_of_orbax(failure: threading.ExceptHookArgs) -> bool:
    """Return whether the thread's entry function, the first frame below threading, is Orbax's."""
    frames = (frame for frame, _ in traceback.walk_tb(failure.exc_traceback))
    modules = (frame.f_globals.get("__name__", "") for frame in frames)
    entry = next((module for module in modules if module != "threading"), "")
    return entry.startswith("orbax.")


def _unraisable_hook(previous: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a `sys.unraisablehook` that drops the echoes of failed checkpoint operations.

    A failed write leaves TensorStore calling back to a closed event loop. A failed read leaves the
    coroutines of the other reads behind. A KeyboardInterrupt that was lost in a destructor is
    answered by `signals`.
    """

    def hook(failure: "sys.UnraisableHookArgs") -> None:
        error = failure.exc_value
        is_closed_loop = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
        is_answered = isinstance(error, KeyboardInterrupt)
        if not (is_closed_loop or is_answered or _is_abandoned_read(failure.object)):
            previous(failure)

    return hook


def _is_abandoned_read(value: Any) -> bool:
    if not inspect.iscoroutine(value):
        return False
    return not _READERS.isdisjoint(Path(value.cr_code.co_filename).parts)

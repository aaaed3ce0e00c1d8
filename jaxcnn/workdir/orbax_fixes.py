"""Fixes for Orbax and TensorStore, made when a `Checkpoints` is opened.

A fix gives modules of Orbax a view of a library: its namespace with one function replaced. The
library itself stays as it is for all other code. Where a version of Orbax lacks the module, the fix
does nothing. "Seen in" names the versions that showed the fault; others were not tried.
"""

import asyncio
import contextlib
import functools
import logging
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

import orbax.checkpoint as ocp
import tensorstore

from jaxcnn.files.owners import allow_unknown_owners


@functools.cache
def apply_fixes() -> None:
    """Apply the fixes that last as long as the process; later calls do nothing.

    `allow_unknown_owners` is one of them: without it Orbax fails where a file's owner has no name.
    """
    allow_unknown_owners()
    _stop_collecting_metrics()
    _use_steady_clock()


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Hide Orbax's warnings in the block, such as that a folder is opened for reading.

    A command hides errors too, because it prints its own line.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(max(logging.ERROR, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.setLevel(level)


def _stop_collecting_metrics() -> None:
    """Keep Orbax from asking TensorStore for its metrics.

    Without it: each save leaks memory, 17 kB for LeNet. Orbax asks for the metrics to log them, and
    TensorStore never frees the strings of the JSON that it returns.
    Seen in: TensorStore 0.1.74 to 0.1.86.
    Changes: Orbax's modules get an empty list of metrics; its debug log shows none.
    """
    view = _view_of(tensorstore, experimental_collect_matching_metrics=lambda *_, **__: [])
    for module in _orbax_modules():
        if vars(module).get("ts") is tensorstore:
            vars(module)["ts"] = view


def _use_steady_clock() -> None:
    """Let Orbax measure its timeouts with a clock that never jumps.

    Without it: a jump of the wall clock, as after a suspend, looks like a timeout, and the writing
    of a checkpoint ends with an error.
    Seen in: Orbax 0.12.8, which measures them with `time.time()`.
    Changes: `time.time` is `time.monotonic` in Orbax's modules for futures and their signals, which
    take differences of times only.
    """
    futures = sys.modules[ocp.future.ChainedFuture.__module__]
    view = _view_of(time, time=time.monotonic)
    for module in (futures, getattr(futures, "signaling_client", None)):
        if module and hasattr(module, "time"):
            vars(module)["time"] = view


@contextlib.contextmanager
def quiet_reads() -> Iterator[None]:
    """Let Orbax's event loops end quietly when a read fails within the block.

    Without it: a damaged array makes Orbax close its event loop while other arrays are being read.
    TensorStore then prints a traceback for each of them, though the error is raised and reported.
    Seen in: Orbax 0.12.8 with TensorStore 0.1.86.
    Changes: `asyncio.new_event_loop` in Orbax's modules, within the block only.
    """
    view = _view_of(asyncio, new_event_loop=_QuietLoop)
    modules = [module for module in _orbax_modules() if vars(module).get("asyncio") is asyncio]
    for module in modules:
        vars(module)["asyncio"] = view
    try:
        yield
    finally:
        for module in modules:
            vars(module)["asyncio"] = asyncio


class _QuietLoop(asyncio.SelectorEventLoop):
    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback; drop it if the loop is closed, as nobody waits for it."""
        if self.is_closed():
            return asyncio.Handle(callback, args, self, context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def close(self) -> None:
        """Cancel the unfinished tasks, then close."""
        unfinished = [] if self.is_closed() else asyncio.all_tasks(self)
        for task in unfinished:
            task.cancel()
        if unfinished:
            self.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
        super().close()


def _view_of(library: types.ModuleType, **replaced: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(**vars(library) | replaced)


def _orbax_modules() -> list[types.ModuleType]:
    """Return the modules of Orbax that are loaded."""
    loaded = list(sys.modules.items())
    return [module for name, module in loaded if name.startswith("orbax.") and module]

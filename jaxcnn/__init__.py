"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import importlib
import signal
import sys
from typing import Any

# Ctrl-C ends a command without a traceback also before `cli.run` answers it: `python -m` is looking
# for the command now, and imports what it needs next
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Public names, imported when they are first used: JAX alone takes seconds.
_PUBLIC = {
    "default_config": "jaxcnn.config",
    "describe_config": "jaxcnn.workdir.run_config",
    "train": "jaxcnn.api",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import importlib
import signal
import sys
from typing import Any

# Ctrl-C during the imports of `python -m jaxcnn.COMMAND` ends the process without a traceback.
# `jaxcnn.process.command.run` installs a running command's handler, but the imports before it take
# seconds. sys.argv[0] is "-m" only while `python -m` looks for the module, so an `import jaxcnn` in
# a script or a notebook changes no handler. A handler that the user has set stays as well.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Public names and their modules, imported at first use because JAX alone takes seconds.
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

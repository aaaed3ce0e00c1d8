"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import importlib
import signal
import sys
from typing import Any

__version__ = "0.2.0"

# Public names and their modules, imported at first use because JAX alone takes seconds.
_PUBLIC = {
    "build": "jaxcnn.models",
    "default_config": "jaxcnn.config",
    "describe_config": "jaxcnn.workdir.run_config",
    "load_config": "jaxcnn.config",
    "network_names": "jaxcnn.models",
    "train": "jaxcnn.api",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end the process without a traceback, unless the user has set a handler.

    `jaxcnn.process.command.run` installs a running command's handler, but the imports before it
    take seconds.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


# sys.argv[0] is "-m" only while `python -m jaxcnn.COMMAND` looks for the module, so an
# `import jaxcnn` in a script or a notebook changes no handler.
if sys.argv[:1] == ["-m"]:
    end_at_ctrl_c()

"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import importlib
import signal
import sys
from typing import Any

__version__ = "0.2.0"

# Public names and their modules, imported at first use because JAX alone takes seconds.
_PUBLIC = {
    "Dataset": "jaxcnn.data.dataset",
    "StopTraining": "jaxcnn.errors",
    "augmentation": "jaxcnn.data.extra",
    "build": "jaxcnn.models",
    "compare_runs": "jaxcnn.reporting.comparison.records",
    "dataset": "jaxcnn.data.datasets.registry",
    "default_config": "jaxcnn.config",
    "describe_config": "jaxcnn.workdir.run_config",
    "load": "jaxcnn.api",
    "load_config": "jaxcnn.config",
    "load_dataset": "jaxcnn.data.dataset",
    "loss": "jaxcnn.optim.losses",
    "metric": "jaxcnn.evaluation.metrics",
    "network": "jaxcnn.models.registry",
    "network_names": "jaxcnn.models",
    "optimizer": "jaxcnn.optim.optimizers",
    "schedule": "jaxcnn.optim.schedules",
    "train": "jaxcnn.api",
    "tune_host": "jaxcnn.process.host",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


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

"""The check that a training step gives the same bits each time on a GPU.

With `config.deterministic` XLA uses deterministic algorithms only, and selects none by measured
time (`devices.start`). A few operations have no deterministic algorithm. They are found in the
step's program before it is compiled.

References: https://openxla.org/xla/determinism
"""

import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.dataset import Split
from jaxcnn.errors import UserError
from jaxcnn.process import devices
from jaxcnn.training import parallel
from jaxcnn.training.state import TrainState
from jaxcnn.training.step import empty_epoch

# XLA cannot compile the first deterministically, the second draws without a key, and the third is
# code that XLA does not know.
_NONDETERMINISTIC = {"select_and_scatter", "rng", "custom_call"}


def refuse_nondeterministic(
    config: ConfigDict, train_step: Callable, state: TrainState, examples: Split
) -> None:
    """Check that every operation of a training step has a deterministic form on a GPU.

    Args:
      config: the checked config.
      train_step: the per-device step, before `parallelize`.
      state: the state of the run; only shapes and types count.
      examples: the training split; only shapes and types count.

    Raises:
      UserError: an operation has none, or JAX has started on GPUs without the setting.
    """
    if not devices.are_exact(jax.devices()):
        raise UserError(
            "config.deterministic = True: JAX has already started without it on GPUs; start a new "
            "Python process"
        )
    names = operations(lowered(train_step, state, examples)) & _NONDETERMINISTIC
    if names:
        raise UserError(
            f"config.deterministic = True: the training step of {config.model.name} uses "
            f"{', '.join(sorted(names))}, which gives different bits each time on a GPU; set it to "
            "False, or choose another network"
        )


def lowered(train_step: Callable, state: TrainState, examples: Split) -> str:
    """Return the program of a per-device training step for one CUDA GPU, as StableHLO text.

    Nothing is compiled. Only shapes and types of the arrays count.
    """
    mesh = parallel.make_local_mesh(1)
    step = parallel.parallelize(
        train_step, mesh=mesh, backend="shard_map", in_axes=(None, None, None, 0)
    )
    data = {"images": examples.images, "labels": examples.labels}
    order = np.zeros((1, 1, 2), np.int32)
    arguments = jax.tree.map(_abstract, (state, data, empty_epoch(), order))
    return step.trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def operations(program: str) -> set[str]:
    """Return the names of the operations in a StableHLO program."""
    return set(re.findall(r"\bstablehlo\.(\w+)", program))


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(array), array.dtype)

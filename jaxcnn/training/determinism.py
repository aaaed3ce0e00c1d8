"""Which operations of a training step a GPU has in no form that gives the same bits each time.

With `config.deterministic` XLA takes deterministic forms, and chooses none by its time
(`devices.start`). What has no such form is found in the step's program.

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

# What XLA cannot compile then, what draws without a key, and code that XLA does not know.
_WITHOUT_FORM = ("select_and_scatter", "rng", "custom_call")


def refuse_nondeterministic(
    config: ConfigDict, train_step: Callable, state: TrainState, examples: Split
) -> None:
    """Check that all of a run's training step has a deterministic form on a GPU.

    Raises:
      UserError: some has none, or JAX has started on GPUs without being told.
    """
    if not devices.are_exact(jax.devices()):
        raise UserError(
            "config.deterministic = True: JAX has started on GPUs without it; begin in a new Python"
        )
    found = operations(lowered(train_step, state, examples)) & set(_WITHOUT_FORM)
    if found:
        raise UserError(
            f"config.deterministic = True: the training step of {config.model.name} uses "
            f"{', '.join(sorted(found))}, which gives other bits each time on a GPU; set it to "
            "False, or take another network"
        )


def lowered(train_step: Callable, state: TrainState, examples: Split) -> str:
    """The program of a per-device training step for one CUDA GPU, as StableHLO; nothing is
    compiled. Of the arrays the shapes and types alone count."""
    mesh = parallel.make_local_mesh(1)
    step = parallel.parallelize(
        train_step, mesh=mesh, backend="shard_map", in_axes=(None, None, None, 0)
    )
    names = ("number", "num_examples", "global_batch_size", "first_step", "schedule_shift")
    numbers = dict.fromkeys(names, np.int32(0))
    data = {"images": examples.images, "labels": examples.labels}
    order = np.zeros((1, 1, 2), np.int32)
    arguments = jax.tree.map(_abstract, (state, data, numbers, order))
    return step.trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def operations(program: str) -> set[str]:
    """The names of the operations in a StableHLO program."""
    return set(re.findall(r"\bstablehlo\.(\w+)", program))


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(array), array.dtype)

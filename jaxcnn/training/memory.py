"""The memory that a training step takes, by XLA's account, and the batch size that fits."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.views import views_of
from jaxcnn.errors import UserError
from jaxcnn.process import group
from jaxcnn.training import parallel
from jaxcnn.training.device_defaults import device_memory
from jaxcnn.training.plan import LARGEST_BATCH, Plan, power_of_two, resolve, usual_batch_size
from jaxcnn.training.run import prepare
from jaxcnn.training.step import empty_epoch, make_train_step

_USABLE = 0.8  # of a device's memory; the rest is for the evaluation and for fragments
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


@dataclasses.dataclass(frozen=True)
class StepMemory:
    """The bytes that a training step takes on each device.

    Attributes:
      resident: of the data and the state, whatever the batch size.
      temporary: of the activations and all else that lives during a step.
    """

    resident: int
    temporary: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.resident + self.temporary


def step_memory(plan: Plan, dataset: Dataset) -> StepMemory:
    """Return the memory of a run's training step; the step is compiled and not run.

    Raises:
      UserError: the network, a part of the user's or the devices do not suit it.
    """
    _, recipe, state = prepare(plan.config, dataset, plan.steps_per_epoch)
    step = parallel.parallelize(
        make_train_step(recipe),
        mesh=plan.mesh,
        backend="shard_map",
        in_axes=(None, plan.data_axis, None, 0),
        donate=True,
    )
    data, order = _abstract_data(plan, dataset)
    arguments = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype),
        (state, data, empty_epoch(), order),
    )
    memory = step.lower(*arguments).compile().memory_analysis()
    if memory is None:
        raise UserError("config.global_batch_size: XLA does not report the memory of a step here")
    others = {view.split for view in plan.views.values()} - {plan.views["train"].split}
    held = 0 if plan.in_shares else sum(dataset.splits[name].images.nbytes for name in others)
    outputs = memory.output_size_in_bytes - memory.alias_size_in_bytes
    return StepMemory(
        resident=memory.argument_size_in_bytes + held,
        temporary=memory.temp_size_in_bytes + max(outputs, 0),
    )


def _abstract_data(plan: Plan, dataset: Dataset) -> tuple[dict[str, Any], jax.ShapeDtypeStruct]:
    """Return the shapes of the step's examples and of its order."""
    split = dataset.splits[plan.views["train"].split]
    width = -(-plan.global_batch_size // plan.num_devices)
    parts = plan.config.optimizer.accumulation_steps
    width = -(-width // parts) * parts
    steps = plan.steps_per_dispatch if plan.in_shares else plan.steps_per_epoch
    order = jax.ShapeDtypeStruct((plan.num_devices, steps, width), np.int32)
    shapes = {"images": split.images, "labels": np.asarray(split.labels)}
    rows: tuple[int, ...] = (plan.num_devices, steps * width) if plan.in_shares else ()
    data = {
        name: jax.ShapeDtypeStruct((*(rows or array.shape[:1]), *array.shape[1:]), array.dtype)
        for name, array in shapes.items()
    }
    indices = {"indices": jax.ShapeDtypeStruct(rows, np.int32)} if rows else {}
    return data | indices, order


def find_batch_size(
    config: ConfigDict, dataset: Dataset, *, most: int = LARGEST_BATCH
) -> tuple[int, StepMemory, int]:
    """Return the largest power of two that fits as `config.global_batch_size`.

    It is at most 512, and leaves an epoch at least ten steps: what fits is not always good to train
    with.

    Args:
      config: the checked config; its `global_batch_size` is not read.
      dataset: the dataset.
      most: the largest size to try.

    Returns:
      The size, the memory that its step takes on each device, and the room there: four fifths of
      the device's memory.

    Raises:
      UserError: no size fits, or the processes of a group would have to agree on it.
    """
    if group.is_group():
        raise UserError(
            "config.global_batch_size = 0: a group of processes does not find the size; give a "
            "number"
        )
    config = config.copy_and_resolve_references()
    num_examples = len(views_of(config, dataset)["train"].indices)
    size = usual_batch_size(num_examples, most)
    while True:
        config.global_batch_size = size
        plan = resolve(config, dataset)
        memory = step_memory(plan, dataset)
        room = int(_USABLE * device_memory(plan.mesh))
        if memory.total <= room:
            return size, memory, room
        if size == 1:
            raise UserError(
                f"config.global_batch_size: not even one image fits: a step takes "
                f"{memory.total >> 20:,} MiB, and a device has room for {room >> 20:,} MiB"
            )
        per_image = max(memory.temporary / size, 1)
        fitting = int(max(room - memory.resident, 0) / per_image)
        size = max(1, min(power_of_two(max(1, fitting)), size // 2))


def choose_batch_size(config: ConfigDict, dataset: Dataset) -> list[str]:
    """Set `config.global_batch_size` where it is 0; return a line about it, if it was.

    Raises:
      UserError: see `find_batch_size`.
    """
    if config.global_batch_size:
        return []
    size, memory, room = find_batch_size(config, dataset)
    config.global_batch_size = size
    return [
        f"global_batch_size = {size}: a step takes {memory.total >> 20:,} MiB of the "
        f"{room >> 20:,} MiB that a device has for it"
    ]


@contextlib.contextmanager
def naming_what_fits(config: ConfigDict, dataset: Dataset) -> Iterator[None]:
    """Raise a lack of the devices' memory in the block as one line with the size that fits."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        size = config.global_batch_size
        if not any(text in str(error) for text in _OUT_OF_MEMORY) or size == 1:
            raise
        raise UserError(
            f"config.global_batch_size = {size}: a step does not fit in the memory of the devices; "
            f"{_what_fits(config, dataset, size)}"
        ) from error


def _what_fits(config: ConfigDict, dataset: Dataset, size: int) -> str:
    """Return the advice for a batch of `size` images that does not fit."""
    try:
        fitting, memory, room = find_batch_size(config, dataset, most=size - 1)
    except UserError:
        return "reduce it, or set config.optimizer.accumulation_steps"
    return (
        f"{fitting} fits (it takes {memory.total >> 20:,} MiB of {room >> 20:,} MiB), and so may "
        f"config.optimizer.accumulation_steps = {-(-size // fitting)}"
    )

"""The compiled step and evaluation of several members of a population at a time."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn import models
from jaxcnn.training.device_defaults import evaluation_options, is_mostly_dense
from jaxcnn.training.parallel import AXIS
from jaxcnn.training.step import repeat
from jaxcnn.training.variation import Variation

_MEMBERS = "members"  # the mesh axis along which the members lie
_MOST_ON_DEVICE = 64  # members that one device trains together


@dataclasses.dataclass(frozen=True)
class Form:
    """The members that a call of the compiled step trains.

    Attributes:
      num_devices: devices, each with its own members; they exchange nothing.
      per_device: members of a device, batched with `vmap` if there are several.
      num_processes: processes, each with a core and its own members, see `workers.py`. With
        several, each trains one member at a time on one device.
    """

    num_devices: int
    per_device: int
    num_processes: int = 1

    @property
    def width(self) -> int:
        """Members of a call."""
        return self.num_devices * self.per_device

    def __str__(self) -> str:
        if self.num_processes > 1:
            return f"one member at a time in each of {self.num_processes} processes"
        members = f"{self.per_device} members as a batch" if self.per_device > 1 else "one member"
        return f"{members} at a time on " + (
            f"each of {self.num_devices} devices" if self.num_devices > 1 else "one device"
        )


def choose_form(
    network: models.Summary, num_members: int, num_devices: int, num_cores: int = 1
) -> Form:
    """Return the form for a network.

    On a CPU a process for each core is fastest: 16 members reach 1.2 to 2.5 times the speed of
    separate runs on two cores (`docs/performance/cpu.md`, `python benchmarks/population.py`).

    `vmap` turns convolutions of several members into grouped ones, which XLA computes slowly on a
    CPU. The devices of one process share its threads and its heap. On accelerators, a batch fills
    what a small network leaves idle; no form was measured there.

    Args:
      network: the network's parameters and operations.
      num_members: members of the population.
      num_devices: devices that may be used.
      num_cores: cores whose processes may be used.
    """
    num_devices = min(num_devices, num_members)
    if jax.default_backend() == "cpu":
        num_processes = min(num_cores, num_members)
        if num_processes > 1:
            return Form(1, 1, num_processes)
        return Form(1 if is_mostly_dense(network) else num_devices, 1)
    return Form(num_devices, min(math.ceil(num_members / num_devices), _MOST_ON_DEVICE))


class MemberPrograms:
    """The compiled step and evaluation of the members of a chunk.

    Args:
      variation: how the members differ.
      form: the members of a call.
      network: their network.
      num_steps: training steps of a call on an accelerator.
    """

    def __init__(self, variation: Variation, form: Form, network: models.Summary, num_steps: int):
        devices = np.array(jax.local_devices()[: form.num_devices]).reshape(-1, 1)
        self.form, self.mesh = form, Mesh(devices, (_MEMBERS, AXIS))
        self._is_stacked = form.width > 1  # a single member's program is that of a run
        step, axes = variation.train_step(), (0, 0, None, 0, 0)
        self.step = self._compile(step, axes, donate=True)
        self.steps = self._compile(_repeat(step, num_steps), axes, donate=True)
        self.evaluate = self._compile(
            variation.eval_step(),
            (0, 0, 0, 0, None, 0),
            compiler_options=evaluation_options(network),
        )

    def _compile(
        self,
        function: Callable,
        in_axes: tuple[int | None, ...],
        *,
        donate: bool = False,
        compiler_options: dict[str, Any] | None = None,
    ) -> Callable:
        """Compile a function of one member for all members of a chunk.

        Args:
          function: takes and returns pytrees of arrays.
          in_axes: an entry for each argument: 0 for a value per member, along the first axis of its
            arrays; None for one that all members share.
          donate: whether the results may use the memory of the first argument.
          compiler_options: XLA's options.
        """
        shared = PartitionSpec()
        members = PartitionSpec(_MEMBERS) if self._is_stacked else shared
        sharded = jax.shard_map(
            self._on_device(function, in_axes),
            mesh=self.mesh,
            in_specs=tuple(shared if axis is None else members for axis in in_axes),
            out_specs=members,
            check_vma=False,
        )
        donated = (0,) if donate else ()
        return jax.jit(sharded, donate_argnums=donated, compiler_options=compiler_options)

    def _on_device(self, function: Callable, in_axes: tuple[int | None, ...]) -> Callable:
        """Return the function of one device, for the members that lie on it."""
        if not self._is_stacked:
            return function
        if self.form.per_device > 1:
            return jax.vmap(function, in_axes)

        def of_one(*shards: Any) -> Any:  # vmap would turn convolutions into grouped ones
            arguments = [
                shard if axis is None else jax.tree.map(lambda array: array[0], shard)
                for shard, axis in zip(shards, in_axes, strict=True)
            ]
            return jax.tree.map(lambda array: array[None], function(*arguments))

        return of_one

    def put(self, values: Sequence[Any]) -> Any:
        """Return the values of a chunk's members as one pytree on the devices."""
        on_host = jax.device_get(list(values))
        if not self._is_stacked:
            return self.put_on_all(jax.tree.map(np.array, on_host[0]))  # the step takes the memory
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *on_host)
        return jax.device_put(stacked, NamedSharding(self.mesh, PartitionSpec(_MEMBERS)))

    def take(self, tree: Any, index: int) -> Any:
        """Return a copy of a member's entry of a chunk's pytree on the host."""
        on_host = jax.device_get(tree)
        entry = jax.tree.map(lambda array: array[index], on_host) if self._is_stacked else on_host
        return jax.tree.map(np.array, entry)

    def put_on_all(self, tree: Any) -> Any:
        """Return a pytree of arrays whole on every device."""
        on_host = jax.tree.map(np.asarray, tree)
        return jax.device_put(on_host, NamedSharding(self.mesh, PartitionSpec()))


def _repeat(step: Callable, num_steps: int) -> Callable:
    """Return `repeat` for a step that takes a member's values as well."""

    def steps(state: Any, values: Any, *arguments: Any) -> Any:
        return repeat(lambda state, *rest: step(state, values, *rest), num_steps)(state, *arguments)

    return steps

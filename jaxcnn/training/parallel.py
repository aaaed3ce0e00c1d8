"""Tools that run a function of one device on many, with `jax.pmap` or `jax.shard_map`."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import Disagreement, UserError
from jaxcnn.process import group

AXIS = "batch"
_FEW_ENTRIES = 2**16  # a CPU copies so few entries in less time than a separate exchange takes


def make_mesh(num_devices: int = 0) -> Mesh:
    """Return a mesh with the one axis "batch" over devices of all processes.

    Args:
      num_devices: how many devices to take, from the first on; 0 for all.

    Raises:
      Disagreement: the processes of the group have different numbers of devices.
      UserError: there are fewer devices than that, or a group of processes would leave some out;
        or JAX has several processes that have not joined a group of jaxcnn.
    """
    if jax.process_count() > 1 and not group.is_group():
        raise UserError(
            "JAX has several processes, which have not joined a group of jaxcnn: in place of "
            "jax.distributed.initialize use jaxcnn.process.group.joined"
        )
    devices = jax.devices()
    counts = Counter(device.process_index for device in devices)
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} in process {index}" for index, count in sorted(counts.items()))
        raise Disagreement(
            f"the processes of the group have different numbers of devices: {listed}; give each "
            "the same number"
        )
    if num_devices > len(devices):
        raise UserError(
            f"config.num_devices = {num_devices}: there are only {len(devices)} devices"
        )
    if jax.process_count() > 1 and num_devices not in (0, len(devices)):
        raise UserError(
            f"config.num_devices = {num_devices}: a group of processes trains on all of its "
            f"{len(devices)} devices; set it to 0"
        )
    return Mesh(np.array(devices[: num_devices or len(devices)]), (AXIS,))


def make_local_mesh(num_devices: int | None = None) -> Mesh:
    """Return a mesh over this process's devices, for work that a process does alone.

    Args:
      num_devices: how many of the process's devices to take, from the first on; None for all.
    """
    return Mesh(np.array(jax.local_devices()[:num_devices]), (AXIS,))


def on_every_device(tree: Any, mesh: Mesh) -> Any:
    """Return a pytree whose arrays are copied whole to every device of the mesh."""
    everywhere = NamedSharding(mesh, PartitionSpec())
    if not mesh.is_multi_process:
        return jax.device_put(tree, everywhere)

    def place(leaf: Any) -> jax.Array:  # device_put would first compare the processes
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, everywhere, lambda _: leaf)

    return jax.tree.map(place, tree)


def wait_for(previous: Any, is_streaming: bool = False) -> None:
    """Wait for the previous step's results where the host must not run ahead.

    Simulated CPU devices can hang if the host runs ahead, and streamed batches would fill the
    memory. In all other cases the call returns at once.

    Args:
      previous: a pytree of arrays that the previous step returned.
      is_streaming: whether the run streams its images.
    """
    if is_streaming or jax.default_backend() == "cpu":
        jax.block_until_ready(previous)


def sum_over_devices(tree: Any) -> Any:
    """Return the sum of each array over the devices.

    Only a function that `parallelize` compiles may call it. Small arrays are exchanged as one.
    Otherwise a CPU would exchange each separately, and the devices would wait for each other every
    time.

    Args:
      tree: a pytree of arrays, with the same shapes on every device.
    """
    if jax.lax.axis_size(AXIS) == 1:  # XLA on a CPU would copy each array
        return tree
    leaves, structure = jax.tree.flatten(tree)
    are_small = [leaf.size <= _FEW_ENTRIES for leaf in leaves]
    small = [leaf for leaf, is_small in zip(leaves, are_small, strict=True) if is_small]
    large = [leaf for leaf, is_small in zip(leaves, are_small, strict=True) if not is_small]
    joined, split = ravel_pytree(small)
    with jax.named_scope("exchange"):
        joined, large = jax.lax.psum((joined, large), AXIS)
    small, large = iter(split(joined)), iter(large)
    return structure.unflatten([next(small if is_small else large) for is_small in are_small])


class Agreement:
    """Agreement between the processes of a group on wishes, such as the wish to stop.

    A wish of one process counts for all, and all learn of it at the same step. In a group, each
    call starts a small all-reduce and returns the result of the previous one. So an accelerator
    never waits for the host. Every process must make the same number of calls.

    Args:
      mesh: the devices of the group.
    """

    def __init__(self, mesh: Mesh):
        self._place = NamedSharding(mesh, PartitionSpec(AXIS))
        self._is_group = mesh.is_multi_process
        everywhere = NamedSharding(mesh, PartitionSpec())
        self._any = jax.jit(lambda wishes: wishes.any(axis=0), out_shardings=everywhere)
        self._pending: jax.Array | None = None

    def __call__(self, *wishes: bool) -> Sequence[bool]:
        """Return for each wish whether any process had it in the previous call.

        Outside a group, return the wishes of this call.
        """
        if not self._is_group:
            return wishes
        row = np.array([wishes])
        shape = (self._place.mesh.size, len(wishes))
        rows = jax.make_array_from_callback(shape, self._place, lambda _: row)
        previous, self._pending = self._pending, self._any(rows)
        return (False,) * len(wishes) if previous is None else jax.device_get(previous).tolist()

    def at_once(self, *wishes: bool) -> Sequence[bool]:
        """Return for each wish whether any process has it now; wait for the other processes.

        The wishes of the last usual call stay for the next one.
        """
        pending, self._pending = self._pending, None
        self(*wishes)
        agreed = self(*wishes)
        self._pending = pending
        return agreed


def parallelize(
    function: Callable,
    *,
    mesh: Mesh,
    backend: str,
    in_axes: tuple[int | None, ...],
    out_axis: int | None = None,
    donate: bool = False,
    compiler_options: dict[str, Any] | None = None,
) -> jax.stages.Wrapped:
    """Compile a function of one device for all devices of a mesh.

    Args:
      function: takes and returns pytrees of arrays; may use `jax.lax.psum` over the axis "batch".
      mesh: the devices.
      backend: "pmap" or "shard_map"; both give the same numbers. A group of processes always uses
        shard_map, because pmap would copy each argument in each call there.
      in_axes: an entry for each argument. None gives every device the whole argument. 0 gives each
        device its own entry of the argument's first axis, which has one entry per device.
      out_axis: None if all devices return equal results. 0 puts one entry per device into a new
        first axis.
      donate: whether the results may use the memory of the first argument.
      compiler_options: XLA's options for this function; "shard_map" only.
    """
    donated = (0,) if donate else ()
    if backend == "pmap" and not mesh.is_multi_process:
        return jax.pmap(
            function,
            axis_name=AXIS,
            in_axes=in_axes,
            out_axes=out_axis,
            devices=list(mesh.devices.flat),
            donate_argnums=donated,
        )

    def without_leading_axes(*shards):
        arguments = [
            shard if axis is None else jax.tree.map(lambda array: array[0], shard)
            for shard, axis in zip(shards, in_axes, strict=True)
        ]
        result = function(*arguments)
        return result if out_axis is None else jax.tree.map(lambda array: array[None], result)

    def spec(axis: int | None) -> PartitionSpec:
        return PartitionSpec() if axis is None else PartitionSpec(AXIS)

    # check_vma=True would insert another psum into gradients, which makes them wrong
    sharded = jax.shard_map(
        without_leading_axes,
        mesh=mesh,
        in_specs=tuple(map(spec, in_axes)),
        out_specs=spec(out_axis),
        check_vma=False,
    )
    return jax.jit(sharded, donate_argnums=donated, compiler_options=compiler_options)

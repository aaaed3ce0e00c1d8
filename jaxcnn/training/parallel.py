"""One per-device function on many devices, through `jax.pmap` or `jax.shard_map`."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import Disagreement, UserError

AXIS = "batch"
_FEW_ENTRIES = 2**16  # up to here a copy takes less time on a CPU than an exchange of its own


def make_mesh(num_devices: int = 0) -> Mesh:
    """A mesh with the one axis "batch" over the first `num_devices` devices; 0: all of them,
    those of the other processes of a group included.

    Raises:
      UserError: there are fewer devices, some of a group's would be left out, or its processes
        have unlike numbers of them.
    """
    devices = jax.devices()
    counts = Counter(device.process_index for device in devices)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} in process {index}" for index, count in sorted(counts.items()))
        raise Disagreement(f"the processes of the group must have as many devices each: {found}")
    if num_devices > len(devices):
        raise UserError(f"config.num_devices = {num_devices}: there are {len(devices)}")
    if jax.process_count() > 1 and num_devices not in (0, len(devices)):
        raise UserError(
            f"config.num_devices = {num_devices}: several processes take all of their "
            f"{len(devices)} devices; set it to 0"
        )
    return Mesh(np.array(devices[: num_devices or len(devices)]), (AXIS,))


def make_local_mesh(num_devices: int | None = None) -> Mesh:
    """A mesh over this process's own devices, or the first of them: for work that is not the whole
    group's."""
    return Mesh(np.array(jax.local_devices()[:num_devices]), (AXIS,))


def on_every_device(tree: Any, mesh: Mesh) -> Any:
    """A pytree of arrays, whole on every device."""
    everywhere = NamedSharding(mesh, PartitionSpec())
    if not mesh.is_multi_process:
        return jax.device_put(tree, everywhere)

    def place(leaf: Any) -> jax.Array:  # device_put would compare the processes' values
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, everywhere, lambda _: leaf)

    return jax.tree.map(place, tree)


def wait_for(previous: Any, is_streaming: bool = False) -> None:
    """Waits for the step before where the host must not run ahead: simulated CPU devices can hang,
    and streamed batches that wait for their step would fill the memory.

    Else, on an accelerator, the host never waits.
    """
    if is_streaming or jax.default_backend() == "cpu":
        jax.block_until_ready(previous)


def sum_over_devices(tree: Any) -> Any:
    """The sum of each array over the devices, inside a function of `parallelize`.

    The small ones go together in one exchange: on a CPU each array is one of its own, at which the
    devices wait for each other.
    """
    leaves, structure = jax.tree.flatten(tree)
    is_small = [leaf.size <= _FEW_ENTRIES for leaf in leaves]
    small = [leaf for leaf, fits in zip(leaves, is_small, strict=True) if fits]
    large = [leaf for leaf, fits in zip(leaves, is_small, strict=True) if not fits]
    together, apart = ravel_pytree(small)
    together, large = jax.lax.psum((together, large), AXIS)
    small, large = iter(apart(together)), iter(large)
    return structure.unflatten([next(small if fits else large) for fits in is_small])


class Agreement:
    """What any process of a group wishes, such as to stop, learnt by all at the same step.

    In a group it costs a small all-reduce, whose outcome is read a call later: so an accelerator
    never waits for the host. All processes must call it equally often.
    """

    def __init__(self, mesh: Mesh):
        self._place = NamedSharding(mesh, PartitionSpec(AXIS))
        self._is_group = mesh.is_multi_process
        everywhere = NamedSharding(mesh, PartitionSpec())
        self._any = jax.jit(lambda wishes: wishes.any(axis=0), out_shardings=everywhere)
        self._pending: jax.Array | None = None

    def __call__(self, *wishes: bool) -> Sequence[bool]:
        """Which of the wishes any process had at its call before; without a group: has now."""
        if not self._is_group:
            return wishes
        own = np.array([wishes])
        shape = (self._place.mesh.size, len(wishes))
        every = jax.make_array_from_callback(shape, self._place, lambda _: own)
        previous, self._pending = self._pending, self._any(every)
        return (False,) * len(wishes) if previous is None else jax.device_get(previous).tolist()

    def at_once(self, *wishes: bool) -> Sequence[bool]:
        """Which of the wishes any process has now."""
        self(*wishes)
        agreed = self(*wishes)
        self._pending = None  # the next call may have other wishes
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
) -> Callable:
    """Compiles a per-device function for all devices of the mesh.

    Args:
      function: takes pytrees of arrays, may use `jax.lax.psum` over axis "batch", and returns
        pytrees.
      mesh: the devices.
      backend: "pmap" or "shard_map"; the numbers are the same. Over several processes both are
        shard_map: JAX's pmap is that with a copy of each argument at each call.
      in_axes: for each argument None, where it is whole on every device, or 0, where each device
        gets its entry of the first axis, which has as many.
      out_axis: None, where the results are equal on all devices, or 0, where each device's are
        the entry of a new first axis.
      donate: whether the first argument's memory is used again for the results.
      compiler_options: XLA's, of this function alone; "shard_map" only, as pmap takes none.

    Returns:
      The compiled function.
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

    def without_leading_axes(*args):
        own = [
            arg if axis is None else jax.tree.map(lambda part: part[0], arg)
            for arg, axis in zip(args, in_axes, strict=True)
        ]
        result = function(*own)
        return result if out_axis is None else jax.tree.map(lambda part: part[None], result)

    def spec(axis: int | None) -> PartitionSpec:
        return PartitionSpec() if axis is None else PartitionSpec(AXIS)

    # check_vma=True inserts a psum of its own into gradients, and trains wrongly
    sharded = jax.shard_map(
        without_leading_axes,
        mesh=mesh,
        in_specs=tuple(map(spec, in_axes)),
        out_specs=spec(out_axis),
        check_vma=False,
    )
    return jax.jit(sharded, donate_argnums=donated, compiler_options=compiler_options)

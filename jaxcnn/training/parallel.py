"""One per-device function on many devices, through `jax.pmap` or `jax.shard_map`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import UserError

AXIS = "batch"


def make_mesh(num_devices: int = 0) -> Mesh:
    """A mesh with the one axis "batch" over the first `num_devices` devices; 0: all of them.

    Raises:
      UserError: there are fewer devices.
    """
    devices = jax.devices()
    if num_devices > len(devices):
        raise UserError(f"config.num_devices = {num_devices}: this process has {len(devices)}")
    return Mesh(np.array(devices[: num_devices or len(devices)]), (AXIS,))


def on_every_device(tree: Any, mesh: Mesh) -> Any:
    """A pytree of arrays, whole on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def wait_on_cpu(previous: Any) -> None:
    """Waits for the step before: simulated CPU devices can hang where the host runs far ahead.

    On an accelerator the host never waits.
    """
    if jax.default_backend() == "cpu":
        jax.block_until_ready(previous)


def parallelize(
    function: Callable, *, mesh: Mesh, backend: str, num_replicated: int, donate: bool
) -> Callable:
    """Compiles a per-device function for all devices of the mesh.

    Args:
      function: takes `num_replicated` pytrees that are whole on every device, and last an array
        of which each device gets its part along the first axis. It may use `jax.lax.psum` over
        axis "batch", and returns pytrees that are equal on all devices.
      mesh: the devices.
      backend: "pmap" or "shard_map"; the numbers are the same.
      num_replicated: how many arguments come before the sharded one.
      donate: whether the first argument's memory is used again for the results.

    Returns:
      The compiled function.
    """
    donated = (0,) if donate else ()
    if backend == "pmap":
        in_axes = (None,) * num_replicated + (0,)
        return jax.pmap(
            function,
            axis_name=AXIS,
            in_axes=in_axes,
            out_axes=None,
            devices=list(mesh.devices.flat),
            donate_argnums=donated,
        )

    def without_leading_axis(*args):
        return function(*args[:-1], args[-1][0])

    in_specs = (PartitionSpec(),) * num_replicated + (PartitionSpec(AXIS),)
    # check_vma=True inserts a psum of its own into gradients, and trains wrongly
    sharded = jax.shard_map(
        without_leading_axis,
        mesh=mesh,
        in_specs=in_specs,
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return jax.jit(sharded, donate_argnums=donated)

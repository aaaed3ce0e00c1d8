"""The arguments of one call of a network, which its layers pass on."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("keys", "mask", "intermediates", "frozen"),
    meta_fields=("axis_name",),
)  # `nnx.tabulate` compiles the call of each layer, with the context as an argument
@dataclasses.dataclass
class Context:
    """Arguments of one call of a network, for all of its layers."""

    keys: jax.Array | None = None  # (batch,) PRNG keys, one per example
    mask: jax.Array | None = None  # (batch,) bool, True for the examples that count
    axis_name: str | None = None  # mesh axis of BatchNorm's statistics
    intermediates: dict[str, jax.Array] | None = None  # filled with each layer's output
    frozen: jax.Array | None = None  # bool (), True while parts that train later are frozen

    def given(self) -> dict[str, Any]:
        """Return the arguments that were given, by name.

        Layers pass these on instead of the context, which `nnx.tabulate` could not show.
        """
        names = ("keys", "mask", "axis_name", "intermediates", "frozen")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def record(self, path: str, x: jax.Array) -> None:
        """Keep a layer's output if the caller asked for it."""
        if self.intermediates is not None:
            self.intermediates[path] = x

    def average_statistics(self, module: nnx.Module) -> None:
        """Average a module's statistics over the devices, on which the state must be the same.

        Integers stay as they are: they count what happens on every device.
        """
        if self.axis_name is None:
            return
        found = [variable for _, variable in nnx.to_flat_state(nnx.state(module, nnx.BatchStat))]
        statistics = [v for v in found if jnp.issubdtype(v[...].dtype, jnp.floating)]
        if statistics:
            values = jax.lax.pmean([v[...] for v in statistics], self.axis_name)
            for variable, value in zip(statistics, values, strict=True):
                variable.set_value(value)


def keys_of(key: jax.Array | None, x: jax.Array) -> jax.Array | None:
    """Return a PRNG key (batch,) for each example of x, split from one key; None without one.

    Raises:
      UserError: `key` is not a single PRNG key.
    """
    if key is None:
        return None
    if not isinstance(key, jax.Array | np.ndarray):
        raise UserError(f"key must be one PRNG key such as jax.random.key(0), not {key!r}")
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if key.ndim != (0 if is_typed else 1):  # jax.random.PRNGKey gives an array of two numbers
        raise UserError(f"key must be one PRNG key for the whole batch, not of shape {key.shape}")
    return jax.random.split(key if is_typed else jax.random.wrap_key_data(key), len(x))

"""The output's shape and the operations of a call, from tracing it without computing."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.nn.operations import count_operations
from jaxcnn.ops.switch import plain

Shape = tuple[int, ...]
_EXAMPLES = 2  # in the batch that tells the shape of an output


def trace_call(where: str, shape: Shape, function: Callable, *arguments: Any) -> tuple[Shape, int]:
    """Trace a call for a batch of inputs.

    Args:
      where: names the layer, for errors.
      shape: of one input, without the batch axis.
      function: `(*arguments, x) -> output`, pure.
      *arguments: pytrees of arrays or shapes.

    Returns:
      The output's shape without the batch axis, and the operations for one input, see
      `count_operations`.

    Raises:
      UserError: the call fails, or its result is not one array with the batch axis first.
    """
    x = jax.ShapeDtypeStruct((_EXAMPLES, *shape), jnp.float32)
    try:
        with plain():  # one form of each operation, so that the count is the same everywhere
            traced, out = jax.make_jaxpr(function, return_shape=True)(*arguments, x)
    except UserError:
        raise
    except Exception as error:  # the user's code can raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{where} does not take inputs of shape {shape}: {reason}") from error
    if not hasattr(out, "shape") or out.shape[:1] != (_EXAMPLES,):
        raise UserError(f"{where} must return one array (batch, …), not {out}")
    return tuple(out.shape[1:]), count_operations(traced.jaxpr) // _EXAMPLES


def trace_module(where: str, shape: Shape, module: nnx.Module, call: Callable) -> tuple[Shape, int]:
    """Trace a call of a module, see `trace_call`; no variable of the module changes.

    Args:
      where: names the layer, for errors.
      shape: of one input, without the batch axis.
      module: its variables hold arrays or shapes.
      call: `(module, x, keys) -> output`, with a PRNG key for each example.
    """
    graph, state = nnx.split(module)

    def function(state: Any, x: jax.Array) -> jax.Array:
        return call(nnx.merge(graph, state), x, jax.random.split(jax.random.key(0), len(x)))

    return trace_call(where, shape, function, jax.tree.map(shape_of, state))


def shape_of(array: jax.Array | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """Return the shape and dtype of an array."""
    return jax.ShapeDtypeStruct(array.shape, array.dtype)

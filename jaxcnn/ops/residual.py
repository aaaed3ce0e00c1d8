"""The ReLU of the sum at the end of a residual block."""

import jax
import jax.numpy as jnp

from jaxcnn.ops.switch import uses_cpu_forms


def relu_of_sum(x: jax.Array) -> jax.Array:
    """Return the ReLU of a block's sum, entry by entry; any shape, float.

    XLA's CPU compiler stores the values of this form. It would compute a maximum again, with the
    sums of all blocks before it, for every operation that reads it.
    """
    return _cpu_relu(x) if uses_cpu_forms() else _relu(x)


def _relu(x: jax.Array) -> jax.Array:
    return jnp.where(x <= 0, 0, x)


@jax.custom_vjp
def _cpu_relu(x: jax.Array) -> jax.Array:
    """Return the same as `_relu`; its gradient reads the output, so the sum is not kept."""
    return _relu(x)


def _relu_forward(x):
    y = _cpu_relu(x)
    return y, y


_cpu_relu.defvjp(_relu_forward, lambda y, gradient: (jnp.where(y > 0, gradient, 0),))

"""Random bits for dropout."""

import jax
import jax.numpy as jnp
from jax import lax


def random_bits(keys: jax.Array, number: int, count: int) -> jax.Array:
    """Return bits for dropout: a hash of an example's key, a layer's number and a unit's number.

    JAX's own generator is made for more than this. It takes ten times as long to run, and most of
    a small network's time to compile.

    Args:
      keys: (batch,), one PRNG key per example; the only source of randomness.
      number: the layer's number in its network.
      count: units of an example.

    Returns:
      uint32 (batch, count).
    """
    seeds = jax.random.key_data(keys)[:, :2]
    start, stride = jnp.split(_mix(seeds + jnp.uint32(number * 0x9E3779B9 % 2**32)), 2, axis=1)
    units = lax.iota(jnp.uint32, count)
    return _mix(start + (stride | 1) * units)


def _mix(x: jax.Array) -> jax.Array:
    """Hash a uint32 so that each bit of x changes each bit of the result with probability 1/2.

    References: Wellons's "lowbias32", https://nullprogram.com/blog/2018/07/31/
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)

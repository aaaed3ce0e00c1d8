"""Random bits for dropout."""

import jax
import jax.numpy as jnp
from jax import lax


def random_bits(keys: jax.Array, number: int, count: int) -> jax.Array:
    """Bits for dropout: a hash of each example's key, a layer's number and a unit's.

    JAX's own generator, which is made for more than this, takes ten times as long to run and
    most of a small network's time to compile.

    Args:
      keys: PRNG keys (batch,), of whose randomness all of it comes.
      number: of the layer.
      count: of the example's units.

    Returns:
      uint32 (batch, count).
    """
    seeds = jax.random.key_data(keys)[:, :2]
    start, stride = jnp.split(_mix(seeds + jnp.uint32(number * 0x9E3779B9 % 2**32)), 2, axis=1)
    units = lax.iota(jnp.uint32, count)
    return _mix(start + (stride | 1) * units)


def _mix(x: jax.Array) -> jax.Array:
    """Each bit of a uint32 changes each with probability 1/2: Wellons' hash "lowbias32",
    https://nullprogram.com/blog/2018/07/31/"""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)

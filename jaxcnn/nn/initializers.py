"""Initial values of parameters, made on the host with numpy, so that nothing is compiled for them.

A parameter's values depend only on the seed and on its path in the network. Adding a layer leaves
the other layers' initial values as they were.
"""

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

TRUNCATED_NORMAL_STD = 0.87962566103423978  # of a standard normal truncated at -2 and 2


class Initializer(Protocol):
    """A rule for the values of a kernel, which depend on its numbers of inputs and outputs."""

    def __call__(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        """Return a float32 array of the shape."""


def generator(seed: int, path: str) -> np.random.Generator:
    """Return the random generator (Philox) of the parameter at `path`."""
    digest = hashlib.blake2b(f"{seed}:{path}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], limit: float) -> np.ndarray:
    values = rng.random(shape, dtype=np.float32)
    values *= 2 * limit
    values -= limit
    return values


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> np.ndarray:
    """Return normal values within two deviations, scaled to the deviation `std`.

    Values beyond two deviations are drawn again.
    """
    values = rng.standard_normal(math.prod(shape), dtype=np.float32)
    beyond = np.flatnonzero(np.abs(values) > 2)
    while beyond.size:
        values[beyond] = rng.standard_normal(beyond.size, dtype=np.float32)
        beyond = beyond[np.abs(values[beyond]) > 2]
    values *= std / TRUNCATED_NORMAL_STD
    return values.reshape(shape)


def constant(value: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """Return the initializer `(rng, shape) -> float32 array` that is `value` everywhere."""
    return lambda rng, shape: np.full(shape, value, np.float32)


def glorot_uniform(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw uniformly from ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return _uniform(rng, shape, math.sqrt(6 / (fan_in + fan_out)))


def he_normal(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw normal values of deviation sqrt(2 / fan_in) (He et al. 2015), truncated as in Keras."""
    return _truncated_normal(rng, shape, math.sqrt(2 / fan_in))


def lecun_normal(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw normal values of deviation sqrt(1 / fan_in) (LeCun et al. 1998), truncated as above."""
    return _truncated_normal(rng, shape, math.sqrt(1 / fan_in))


def torch_uniform(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw uniformly from ±1/sqrt(fan_in): PyTorch's default, for kernels and biases alike."""
    return _uniform(rng, shape, 1 / math.sqrt(fan_in))


def identity_first(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw `torch_uniform`, but let the first filters each pass one input channel on unchanged."""
    kernel = torch_uniform(rng, shape, fan_in, fan_out)
    *window, inputs, outputs = shape
    center = tuple((size - 1) // 2 for size in window)  # "same" pads less in front
    kernel[..., :inputs] = 0
    kernel[center] += np.eye(inputs, outputs, dtype=np.float32)
    return kernel


def unit_uniform(rng, shape, fan_in, fan_out) -> np.ndarray:
    """Draw uniformly, then scale to a sample deviation of 1."""
    kernel = torch_uniform(rng, shape, fan_in, fan_out)
    return kernel / kernel.std(ddof=1)


KERNEL_INITIALIZERS: dict[str, Initializer] = {
    function.__name__: function
    for function in (
        glorot_uniform,
        he_normal,
        lecun_normal,
        torch_uniform,
        identity_first,
        unit_uniform,
    )
}


def kernel_and_bias(rule: str, fan_in: int, fan_out: int) -> tuple[Callable, Callable]:
    """Return the initializers `(rng, shape) -> float32 array` of a layer's kernel and bias.

    Biases start at zero, except under the rule `torch_uniform`, which draws them like the kernel.
    """
    kernel = functools.partial(KERNEL_INITIALIZERS[rule], fan_in=fan_in, fan_out=fan_out)
    return kernel, kernel if rule == "torch_uniform" else constant(0.0)

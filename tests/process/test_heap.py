"""The heap after a compilation: its holes are out of use, and a step's temporaries have a place."""

import subprocess
import sys

import pytest

_HEAP = """
import ctypes, sys
from jaxcnn.process import heap
c = ctypes.CDLL(None)
if not hasattr(c, "mallopt"):
    sys.exit("no glibc")
heap.keep_freed_memory()
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
"""

_HOLES = (
    _HEAP
    + """
sizes = [20_000 + 16 * (n * 7919 % 6000) for n in range(3000)]
blocks = [c.malloc(size) for size in sizes]
holes = blocks[::2]
for hole in holes:
    c.free(hole)
assert c.malloc(70_000) in holes
heap.tidy()
fresh = [c.malloc(size) for size in (16_384, 30_000, 65_536, 70_000, 110_000)]
assert not set(fresh) & set(holes), "a hole is in use"
count = len(heap._fillers)
assert count > len(holes)
heap.tidy()
assert len(heap._fillers) < 1.1 * count, "they add up"
"""
)

_LARGE = (
    _HEAP
    + """
large = c.malloc(64 << 20)
barrier = c.malloc(64)
c.free(large)
heap.tidy()
assert c.malloc(60 << 20) <= large + (4 << 20), "what a step frees is not a hole"
"""
)

_STEPS = (
    _HEAP
    + """
import os
os.environ["JAX_PLATFORMS"], os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "cpu", "false"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
heap.tidy_after_compiling()
import jax
import jax.numpy as jnp

c.sbrk.restype, c.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]

def loss(kernels, images):
    for kernel in kernels:
        images = jax.nn.relu(jnp.einsum("bhwi,io->bhwo", images, kernel))
    return (images**2).mean()

@jax.pmap
def step(kernels, images):
    value, gradients = jax.value_and_grad(loss)(kernels, images)
    return jax.tree.map(lambda kernel, g: kernel - 1e-4 * g, kernels, gradients), value

kernels = [jnp.full((2, 16, 16), 0.1) for _ in range(6)]
images = jnp.ones((2, 128, 32, 32, 16))
losses, ends = [], []
for _ in range(16):  # as the loop does: one step ahead, and what is small stays
    kernels, value = step(kernels, images)
    ends.append(c.sbrk(0))
    losses.extend(value + n for n in range(3))
    if len(losses) > 3:
        losses[-6].block_until_ready()
assert ends[-1] - ends[0] < 16 << 20, [(end - ends[0]) >> 20 for end in ends]
"""
)

_LISTENER = """
import os
os.environ["JAX_PLATFORMS"], os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "cpu", "false"
from jaxcnn.process import heap
calls = []
heap.tidy = lambda *temporaries: calls.append(temporaries)
heap._LONG_COMPILATION = 0.0
heap.tidy_after_compiling()
heap.tidy_after_compiling()
import jax
matrix = jax.ShapeDtypeStruct((512, 512), "float32")
product = jax.jit(lambda x: (x + 1) @ (x @ x + 2)).lower(matrix)
assert not calls
compiled = product.compile()
assert compiled.memory_analysis().temp_size_in_bytes >= 512 * 512 * 4
assert calls == [({compiled.memory_analysis().temp_size_in_bytes}, jax.local_device_count())], calls
heap._LONG_COMPILATION = 1e9
jax.jit(lambda x: 3 * x)(1.0)
assert len(calls) == 1, calls
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
@pytest.mark.parametrize(
    "program", [_HOLES, _LARGE, _STEPS, _LISTENER], ids=["holes", "large", "steps", "listener"]
)
def test_the_heap(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.stderr.startswith("no glibc"):
        pytest.skip("glibc's heap")
    assert done.returncode == 0, done.stderr

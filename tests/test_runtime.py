"""The heap after a compilation: its holes are taken out of use, and no more than its holes."""

import subprocess
import sys

import pytest

_HEAP = """
import ctypes, sys
from jaxcnn import runtime
c = ctypes.CDLL(None)
if not hasattr(c, "mallopt"):
    sys.exit("no glibc")
runtime.keep_heap()
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
runtime.fill_holes()
fresh = [c.malloc(size) for size in (16_384, 30_000, 65_536, 70_000, 110_000)]
assert not set(fresh) & set(holes), "a hole is in use"
count = len(runtime._blocks)
assert count > len(holes)
runtime.fill_holes()
assert len(runtime._blocks) < 1.1 * count, "they add up"
"""
)

_LARGE = (
    _HEAP
    + """
large = c.malloc(64 << 20)
barrier = c.malloc(64)
c.free(large)
runtime.fill_holes()
assert c.malloc(60 << 20) <= large + (4 << 20), "what a step frees is not a hole"
"""
)

_LISTENER = """
import os
os.environ["JAX_PLATFORMS"], os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "cpu", "false"
from jaxcnn import runtime
filled = []
runtime.fill_holes = lambda: filled.append(True)
runtime._LONG_COMPILATION = 0.0
runtime.fill_holes_after_compiling()
runtime.fill_holes_after_compiling()
import jax
double = jax.jit(lambda x: 2 * x).lower(1.0)
assert not filled
double.compile()
assert len(filled) == 1, filled
runtime._LONG_COMPILATION = 1e9
jax.jit(lambda x: 3 * x)(1.0)
assert len(filled) == 1, filled
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
@pytest.mark.parametrize("program", [_HOLES, _LARGE, _LISTENER], ids=["holes", "large", "listener"])
def test_holes_of_the_heap(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.stderr.startswith("no glibc"):
        pytest.skip("glibc's heap")
    assert done.returncode == 0, done.stderr

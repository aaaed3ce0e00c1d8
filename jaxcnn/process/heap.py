"""glibc's heap under XLA's CPU programs: freed memory stays in the process and fits the next step.

Commands, their worker processes and `tune_host` call `keep_freed_memory` and
`tidy_after_compiling`; no import does. They have no effect with another C library than glibc, or
with `JAXCNN_HOST_TUNING=0`.
"""

import ctypes
import functools
import sys
from collections.abc import Set
from typing import Any

from jaxcnn.process import tuning

# options of `mallopt`, from glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_FILLERS = (2**16, 2**14)  # bytes
_MOST_FILLERS = 2**12  # of each size
_LONG_ROW = 64  # adjacent blocks; so many fit into free space, not into a hole
_ROOM = 2**26  # bytes
_SPARE = _ROOM + 2**24  # bytes of a place beyond the temporaries that it is for
_LONG_COMPILATION = 0.1  # seconds; reading a large program from the cache takes as long
_fillers: list[int] = []  # addresses of blocks that are out of use until the next `tidy`
_sizes_with_places: set[int] = set()  # bytes of a device's temporaries


def keep_freed_memory() -> None:
    """Keep freed memory in the process.

    Otherwise the kernel maps the temporaries of XLA's CPU programs anew at every step.
    """
    c = _glibc()
    if c is not None:
        c.mallopt(_M_MMAP_MAX, 0)
        c.mallopt(_M_TRIM_THRESHOLD, -1)
        c.mallopt(_M_ARENA_MAX, 1)


@functools.cache
def tidy_after_compiling() -> None:
    """Call `tidy` from now on after each long compilation, before the compiled program runs."""
    import jax

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        is_compilation = event.endswith("backend_compile_duration")
        if is_compilation and duration_secs > _LONG_COMPILATION and jax.default_backend() == "cpu":
            devices = jax.local_devices()
            programs = devices[0].client.live_executables()
            sizes = {p.get_compiled_memory_stats().temp_size_in_bytes for p in programs}
            tidy(sizes, len(devices))

    if _glibc() is not None:
        jax.monitoring.register_event_duration_secs_listener(listen)


def tidy(temporaries: Set[int] = frozenset(), num_devices: int = 1) -> None:
    """Take the heap's holes out of use until the next call, and reserve places for temporaries.

    A compiler leaves thousands of holes, of as many sizes. glibc keeps them in a sorted list and
    walks along it whenever XLA's convolutions allocate, while the other devices wait for the heap.
    The memory of the holes is given back to the system.

    The heap must be glibc's; `tidy_after_compiling` checks that.

    Args:
      temporaries: bytes that each program takes on a device.
      num_devices: devices of this process.
    """
    c = ctypes.CDLL(None)
    c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
    while _fillers:
        c.free(_fillers.pop())
    c.malloc_trim(0)
    _fill_holes(c)
    # a room for small blocks, which would otherwise be cut out of the large ones that a step frees
    _fillers.extend(_leave_places(c, _ROOM, 1))
    _leave_places_for_temporaries(c, temporaries, num_devices)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library; None if tuning is off or it is not glibc (musl has no `mallopt`)."""
    if not (tuning.is_on() and sys.platform.startswith("linux")):
        return None
    c = ctypes.CDLL(None)
    return c if hasattr(c, "mallopt") else None


def _fill_holes(c: ctypes.CDLL) -> None:
    """Allocate blocks until they lie in long rows, and free the rows: the holes are then full."""
    for size in _FILLERS:  # malloc takes the smallest hole that is large enough
        row: list[int] = []
        for _ in range(_MOST_FILLERS):
            block = c.malloc(size)
            is_next = bool(row) and block == row[-1] + size + 16  # 16 bytes of header
            if not is_next:
                _fillers.extend(row)
                row = []
            row.append(block)
            if block is None or len(row) == _LONG_ROW:
                break
        for block in row:
            c.free(block)


def _leave_places_for_temporaries(c: ctypes.CDLL, sizes: Set[int], num_devices: int) -> None:
    """Leave two places of each size for each device.

    Two, because a device may begin a step before the place of the previous step is free.

    Before 2.39, glibc asks for more than an aligned block needs, and cuts the rest off. Once a
    small block lies there, the large block no longer fits where it lay before, and the heap grows
    by it (https://sourceware.org/bugzilla/show_bug.cgi?id=30723). So each place has bytes to spare.
    They are more than the room has: small blocks then go to the room, the smallest place that is
    large enough. They are fewer than a second block of temporaries needs.
    """
    for size in sizes - _sizes_with_places:
        if size > _SPARE:  # smaller temporaries fit into the room
            _leave_places(c, size + _SPARE, 2 * num_devices)
            _sizes_with_places.add(size)


def _leave_places(c: ctypes.CDLL, size: int, number: int) -> list[int]:
    """Leave `number` free places of `size` bytes, and return the blocks that keep them apart.

    The blocks take addresses, not memory: nothing is written to them.
    """
    blocks = [c.malloc(size) for _ in range(2 * number)]
    for place in blocks[::2]:
        c.free(place)
    return blocks[1::2]

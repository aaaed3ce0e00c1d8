"""glibc's heap under XLA's CPU programs: freed memory stays, and fits the next step."""

import ctypes
import functools
import sys
from collections.abc import Set
from typing import Any

# glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_FILLERS = (2**16, 2**14)  # bytes
_MOST_FILLERS = 2**12  # of a size
_LONG_ROW = 64  # blocks side by side: what they are taken from is no mere hole
_ROOM = 2**26  # bytes
_SPARE = _ROOM + 2**24  # bytes of a place, beyond its temporaries
_LONG_COMPILATION = 0.1  # seconds, or the reading of a large program from the cache
_fillers: list[int] = []  # blocks out of use until the next `tidy`
_sizes_with_places: set[int] = set()  # bytes of a device's temporaries


def keep_freed_memory() -> None:
    """Keeps freed memory in the process: XLA's CPU temporaries are otherwise mapped every step."""
    c = _glibc()
    if c is not None:
        c.mallopt(_M_MMAP_MAX, 0)
        c.mallopt(_M_TRIM_THRESHOLD, -1)
        c.mallopt(_M_ARENA_MAX, 1)


@functools.cache
def tidy_after_compiling() -> None:
    """From now on, calls `tidy` after each long compilation, before what it made runs."""
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
    """Takes the heap's holes out of use until the next call, gives their memory back, and leaves
    places for the temporaries of programs.

    A compiler leaves thousands of holes, of as many sizes. glibc keeps them sorted in a list, and
    walks along it whenever XLA's convolutions allocate, while the other devices wait for the heap.

    It must be glibc's heap, as `tidy_after_compiling` sees to.

    Args:
      temporaries: bytes that each program takes on a device.
      num_devices: of this process.
    """
    c = ctypes.CDLL(None)
    c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
    while _fillers:
        c.free(_fillers.pop())
    c.malloc_trim(0)
    _fill_holes(c)
    # what is small has a place too: else it is cut out of the large ones that a step frees
    _fillers.extend(_leave_places(c, _ROOM, 1))
    _leave_places_for_temporaries(c, temporaries, num_devices)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where its heap is the one that is tuned here; musl has no `mallopt`."""
    c = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return c if hasattr(c, "mallopt") else None


def _fill_holes(c: ctypes.CDLL) -> None:
    for size in _FILLERS:  # the smallest hole that is large enough comes first
        row: list[int] = []
        for _ in range(_MOST_FILLERS):
            block = c.malloc(size)
            is_next = bool(row) and block == row[-1] + size + 16  # with its header
            if not is_next:
                _fillers.extend(row)
                row = []
            row.append(block)
            if block is None or len(row) == _LONG_ROW:
                break
        for block in row:
            c.free(block)


def _leave_places_for_temporaries(c: ctypes.CDLL, sizes: Set[int], num_devices: int) -> None:
    """A device may begin a step before the place of the last one is free, so each has two.

    Before 2.39, glibc asks for more than an aligned block needs, and cuts the rest off. Once
    something small lies there, the block no longer fits where it lay, and the heap grows by it
    (https://sourceware.org/bugzilla/show_bug.cgi?id=30723). So each place has some bytes to spare:
    more than the room has, which what is small goes to as the smallest that is large enough, and
    fewer than a second block needs."""
    for size in sizes - _sizes_with_places:
        if size > _SPARE:  # what is smaller lies in the room
            _leave_places(c, size + _SPARE, 2 * num_devices)
            _sizes_with_places.add(size)


def _leave_places(c: ctypes.CDLL, size: int, number: int) -> list[int]:
    """Free places of `size` bytes, and the blocks that keep them apart: every other one. They cost
    addresses, not memory: nothing is written there."""
    blocks = [c.malloc(size) for _ in range(2 * number)]
    for place in blocks[::2]:
        c.free(place)
    return blocks[1::2]

"""Reading a file that anything may stand in: what is wrong with it is one line."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError

_MOST_BYTES = 64 << 20  # far more than a run writes into a JSON file
_MOST_LEVELS = 50  # of lists and objects in each other


def read_bytes(path: str | Path, most: int = _MOST_BYTES) -> bytes:
    """Return a file's bytes.

    Raises:
      UserError: it is not there, cannot be read, is no ordinary file or larger than `most` bytes.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise UserError(f"{path}: is not an ordinary file")
            if about.st_size > most:
                size = about.st_size >> 20
                raise UserError(f"{path}: has {size:,} MiB, more than {most >> 20:,} MiB")
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe's reader would wait for a writer otherwise."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_json(path: str | Path, *, with_infinity: bool = False) -> Any:
    """Return what a JSON file holds; see `parse_json`.

    Raises:
      UserError: it cannot be read, or is not such JSON.
    """
    content = read_bytes(path)
    try:
        return parse_json(content.decode("utf-8"), with_infinity=with_infinity)
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error})") from error


def parse_json(text: str, *, with_infinity: bool = False) -> Any:
    """Return what a JSON text holds.

    Names are unique, nothing is nested deeply, numbers are finite (or "Infinity", `with_infinity`)
    and fit 64 bits, strings can be written to any file.

    Raises:
      ValueError: it is anything else.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check(value, with_infinity)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} stands there twice")
    return found


def _check(value: Any, with_infinity: bool) -> None:
    """Raise ValueError for what later code would stumble over; level by level, as recursion has
    a limit of its own."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        below = []
        for each in level:
            if isinstance(each, dict):
                below += [*each, *each.values()]
            elif isinstance(each, list):
                below += each
            else:
                _check_leaf(each, with_infinity)
        if not below:
            return
        level = below
    raise ValueError("nested too deeply")


def _check_leaf(value: Any, with_infinity: bool) -> None:
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises ValueError
        if "\0" in value:
            raise ValueError("a null character")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("a number that is too large")
    elif isinstance(value, float) and not (
        math.isfinite(value) or (with_infinity and math.isinf(value))
    ):
        raise ValueError("a number that is not finite")

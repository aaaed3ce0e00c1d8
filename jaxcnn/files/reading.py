"""Reading files of unknown content: any fault of the file is one line for the user."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError

_MOST_BYTES = 64 << 20  # far more than a run's JSON files have
_MOST_LEVELS = 50  # of nested lists and objects


def read_bytes(path: str | Path, most: int = _MOST_BYTES) -> bytes:
    """Return a file's bytes.

    Raises:
      UserError: it is missing, unreadable, not an ordinary file, or larger than `most` bytes.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path}: is not an ordinary file")
            if status.st_size > most:
                size = status.st_size >> 20
                raise UserError(f"{path}: has {size:,} MiB, more than {most >> 20:,} MiB")
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_json(path: str | Path, *, with_infinity: bool = False) -> Any:
    """Return the value of a JSON file; see `parse_json`.

    Raises:
      UserError: it cannot be read, or `parse_json` refuses it.
    """
    content = read_bytes(path)
    try:
        return parse_json(content.decode("utf-8"), with_infinity=with_infinity)
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error})") from error


def parse_json(text: str, *, with_infinity: bool = False) -> Any:
    """Return the value of a JSON text.

    Names must be unique, levels at most 50, and numbers finite (or "Infinity", `with_infinity`) and
    within 64 bits. Strings must be valid UTF-8 without null characters.

    Raises:
      ValueError: the text breaks one of these rules, or is not JSON.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check(value, with_infinity)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated[:40]!r} is repeated")
    return fields


def _check(value: Any, with_infinity: bool) -> None:
    """Check all values, level by level: recursion has a limit of its own."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        next_level = []
        for item in level:
            if isinstance(item, dict):
                next_level += [*item, *item.values()]
            elif isinstance(item, list):
                next_level += item
            else:
                _check_leaf(item, with_infinity)
        if not next_level:
            return
        level = next_level
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

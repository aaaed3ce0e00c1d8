"""Files that are written whole or not at all."""

import contextlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON through a temporary file, so that `path` always holds the old or the new value.

    Raises:
      UserError: it cannot be written.
    """
    write_text(Path(path), to_json_text(value))


def to_json_text(value: Any) -> str:
    """Return the content of a JSON file, indented."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that `path` is never half-written.

    If `path` is a link, the link is replaced.

    Raises:
      UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing_to(path):
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a power loss may leave the new name with no content
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_list(path: Path, content: bytes) -> Path | None:
    """Write a list that users edit; one with another content that lies there gets another name.

    Returns:
      The other name; None if there was no such list.

    Raises:
      UserError: it cannot be written.
    """
    kept = None
    with writing_to(path):
        if path.exists() and path.read_bytes() != content:
            names = (f"{path.stem}.{number}{path.suffix}" for number in itertools.count(1))
            kept = next(path.with_name(n) for n in names if not os.path.lexists(path.with_name(n)))
            path.rename(kept)
    write_bytes(path, content)
    return kept


@contextlib.contextmanager
def writing_to(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `UserError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def to_json(value: Any) -> Any:
    """Return a value ready for JSON: NumPy values unpacked, numbers that are not finite as null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value

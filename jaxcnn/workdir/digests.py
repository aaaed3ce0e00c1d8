"""Checksums of a checkpoint's parts.

Orbax's files have no checksums of the numbers: without these, training would go on with a byte that
has changed on disk.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def digests_of(parts: Mapping[str, Any]) -> dict[str, int]:
    """Return the CRC-32 of each part.

    Args:
      parts: pytrees by name; their leaves are arrays, replicated on all devices, or JSON values.
    """
    return {name: _digest(part) for name, part in parts.items()}


def check_digests(parts: Mapping[str, Any], expected: Mapping[str, int]) -> None:
    """Check that each part has its expected digest.

    Raises:
      ValueError: a part differs; the text names it.
    """
    for name, digest in digests_of(parts).items():
        if digest != expected.get(name):
            raise ValueError(f"checksum mismatch: {name} is not what was written")


def _digest(part: Any) -> int:
    digest = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(part):
        digest = zlib.crc32(jax.tree_util.keystr(path).encode(), digest)
        digest = zlib.crc32(_as_bytes(leaf), digest)
    return digest


def _as_bytes(leaf: Any) -> memoryview | bytes:
    if isinstance(leaf, jax.Array):
        leaf = leaf.addressable_data(0)  # a separate array, so that the step can donate `leaf`
    if hasattr(leaf, "shape"):
        return np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data
    return json.dumps(leaf).encode()

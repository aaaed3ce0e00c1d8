"""Checksums of what a checkpoint holds: its files have none for the numbers themselves, so that a
byte that was changed on disk would be trained with."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def digests_of(parts: Mapping[str, Any]) -> dict[str, int]:
    """The CRC-32 of each part: a pytree of arrays, whole on every device, or of JSON values."""
    return {name: _digest(part) for name, part in parts.items()}


def check_digests(parts: Mapping[str, Any], expected: Mapping[str, int]) -> None:
    """Raises ValueError where a part is not what it was when its digest was taken."""
    for name, digest in digests_of(parts).items():
        if digest != expected.get(name):
            raise ValueError(f"{name} is not what was written")


def _digest(part: Any) -> int:
    digest = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(part):
        digest = zlib.crc32(jax.tree_util.keystr(path).encode(), digest)
        digest = zlib.crc32(_as_bytes(leaf), digest)
    return digest


def _as_bytes(leaf: Any) -> memoryview | bytes:
    if isinstance(leaf, jax.Array):
        leaf = leaf.addressable_data(0)  # an array of its own, that the step may donate thereafter
    if hasattr(leaf, "shape"):
        return np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data
    return json.dumps(leaf).encode()

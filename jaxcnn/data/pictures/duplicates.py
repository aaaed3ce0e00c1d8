"""Copies of pictures: the same file, or nearly the same pixels.

Two pictures are nearly the same if they have the same proportions, their perceptual hashes differ
in few bits, and their small gray versions correlate. The hash has a bit for each pair of neighbors
in a row: which one is brighter (dHash). It survives other sizes, formats, qualities, and changes of
brightness.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_HASH = (8, 9)  # rows and columns: 8 pairs of neighbors in each row
_SMALL = 16  # side of the gray version
_MOST_BITS = 12  # of 64 that may differ
_LEAST_CORRELATION = 0.99
_MOST_OCTAVES = 0.1  # by which the proportions may differ
_ROWS = 32  # hashes that are compared with all others at a time


def fingerprint(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of a picture, uint8 (8,), and its gray version, float32 (256,).

    The gray version has the mean 0 and the norm 1. That of a picture of one color is all 0, so the
    picture is near to no other.

    Args:
      picture: of mode "L" or "RGB".
    """
    gray = picture.convert("L")
    rows, columns = _HASH
    pixels = np.asarray(gray.resize((columns, rows), Image.Resampling.BOX), np.int16)
    bits = np.packbits(pixels[:, 1:] > pixels[:, :-1])
    small = np.asarray(gray.resize((_SMALL, _SMALL), Image.Resampling.BOX), np.float32).ravel()
    centered = small - small.mean()
    norm = np.linalg.norm(centered)
    return bits, centered / norm if norm else centered


def near_pairs(
    hashes: np.ndarray, gray: np.ndarray, proportions: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the pairs of nearly equal pictures, int (m, 2), part by part; see `near_groups`."""
    octaves = np.log2(proportions)
    words = np.ascontiguousarray(hashes).view(np.uint64)[:, 0]
    for start in range(0, len(words), _ROWS):
        others = words[start:]
        is_close = np.bitwise_count(words[start : start + _ROWS, None] ^ others) <= _MOST_BITS
        pairs = np.column_stack(np.divmod(np.flatnonzero(is_close), len(others))) + start
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        first, second = pairs.T
        correlation = np.einsum("ij,ij->i", gray[first], gray[second])
        has_same_form = np.abs(octaves[first] - octaves[second]) <= _MOST_OCTAVES
        yield pairs[has_same_form & (correlation >= _LEAST_CORRELATION)]


def near_groups(hashes: np.ndarray, gray: np.ndarray, proportions: np.ndarray) -> list[list[int]]:
    """Return the groups of nearly equal pictures, each in order, and ordered by their first.

    A picture is in the group of each picture that it is nearly equal to.

    Args:
      hashes: uint8 (n, 8), from `fingerprint`.
      gray: float32 (n, 256), from `fingerprint`.
      proportions: width by height of each picture, float (n,).
    """
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *near_pairs(hashes, gray, proportions)])
    ones = np.ones(len(pairs), bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(hashes), len(hashes)))
    return _groups(connected_components(graph, directed=False)[1])


def equal_groups(digests: Sequence[str]) -> list[list[int]]:
    """Return the groups of pictures with equal digests, like `near_groups`."""
    return _groups(np.unique(np.array(digests), return_inverse=True)[1])


def _groups(numbers: np.ndarray) -> list[list[int]]:
    """Return the positions of each number that occurs more than once."""
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted(group.tolist() for group in groups if len(group) > 1)

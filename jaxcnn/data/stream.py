"""Batches read from the disk as they are needed, by Grain: for sets that do not fit in memory.

The order is that of `feed.py`, so each step sees the examples that it sees where the data are
resident, and there is no reader's state to save.
"""

import contextlib
import dataclasses
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grain
import jax
import numpy as np
from absl import flags
from jax.sharding import Mesh

from jaxcnn.data.dataset import Split
from jaxcnn.data.feed import own_part, put_share, take_share
from jaxcnn.errors import UserError

_AHEAD = 4  # portions that are read ahead of the step, by as many threads


@dataclasses.dataclass(frozen=True)
class _Images:
    """A file's images, read one by one: a file that is mapped comes page by page, and from a disk
    with all that lies around them, several times as slowly."""

    path: Path
    offset: int  # of the first one in the file
    shape: tuple[int, ...]  # of all of them
    inode: int  # of the file as it was: another one in its place has other images

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        images = np.empty((*rows.shape, *self.shape[1:]), np.uint8)
        size = math.prod(self.shape[1:])
        with open(self.path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_ino != self.inode:
                raise ValueError("it was replaced")
            for row, image in zip(rows.flat, images.reshape(-1, size), strict=True):
                file.seek(self.offset + int(row) * size)
                if file.readinto(image) < size:
                    raise ValueError("it is shorter than it was")
        return images


@dataclasses.dataclass(frozen=True)
class _Portions:
    """Grain's source: the shares of an order's portions, read when they are asked for."""

    images: _Images
    labels: np.ndarray
    order: np.ndarray
    portions: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.portions)

    def __getitem__(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        start, stop = self.portions[number]
        return take_share(self.images, self.labels, self.order[:, start:stop])


def stream(
    split: Split,
    order: np.ndarray,
    mesh: Mesh,
    *,
    portions: Sequence[tuple[int, int]],
    workers: int,
) -> Iterator[tuple[dict[str, jax.Array], jax.Array]]:
    """The examples that the devices take in each portion of an order, on the devices.

    Args:
      split: the examples, memory-mapped. This process reads those of its own devices alone.
      order: from `in_batches`.
      mesh: the devices, of several processes perhaps.
      portions: from which row of the order to which.
      workers: processes that read; 0 for threads of this one.

    Yields:
      For each portion what `put_share` returns.

    Raises:
      UserError: the file is gone, or cut short.
    """
    path = Path(split.images.filename)
    try:
        images = _Images(path, split.images.offset, split.images.shape, split.inode)
    except OSError as error:
        raise UserError(f"{path} cannot be read any more: {error.strerror}") from error
    source = _Portions(
        images=images,
        labels=split.labels,
        order=own_part(order, mesh),
        portions=portions,
    )
    options = grain.ReadOptions(num_threads=_AHEAD, prefetch_buffer_size=_AHEAD)
    shares = grain.MapDataset.source(source).to_iter_dataset(options)
    if workers:
        if not flags.FLAGS.is_parsed():  # Grain asks them, and we may be used as a library
            flags.FLAGS.mark_as_parsed()
        # through pipes: shared memory is small in containers, and outlives what is stopped
        through_pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
        shares = grain.experimental.WithOptionsIterDataset(shares, through_pipes)
        shares = shares.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    with contextlib.closing(iter(shares)) as shares:  # which ends the processes
        for _ in portions:
            try:
                share = next(shares)
            except (OSError, ValueError) as error:  # a file that is gone, or shorter than it was
                reason = str(error).splitlines()[0]
                raise UserError(f"{images.path} cannot be read any more: {reason}") from error
            yield put_share(share, mesh)

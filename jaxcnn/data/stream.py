"""Examples read from the disk when they are needed, by Grain, for sets larger than the memory.

The order is the one of resident data, so each step sees the same examples, and there is no reader's
state to save.
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

_AHEAD = 4  # portions read ahead of the step, and threads that read them


@dataclasses.dataclass(frozen=True)
class _Images:
    """The images of a file, read one by one.

    A memory-mapped file is read page by page, with the surroundings of each page: several times
    slower from a disk.
    """

    path: Path
    offset: int  # of the first image in the file
    shape: tuple[int, ...]  # (n, height, width, channels)
    inode: int  # of the original file; a file that replaces it has other images

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
    """A source for Grain: the shares of an order's portions, read on access."""

    images: _Images
    labels: np.ndarray
    order: np.ndarray
    portions: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.portions)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        start, stop = self.portions[index]
        return take_share(self.images, self.labels, self.order[:, start:stop])


def stream(
    split: Split,
    order: np.ndarray,
    mesh: Mesh,
    *,
    portions: Sequence[tuple[int, int]],
    workers: int,
) -> Iterator[tuple[dict[str, jax.Array], jax.Array]]:
    """Yield the examples of each portion of an order, on the devices.

    Args:
      split: the examples, memory-mapped. This process reads those of its own devices only.
      order: from `in_batches`.
      mesh: the devices of all processes.
      portions: first step and end of each portion.
      workers: processes that read; 0 for threads of this process.

    Yields:
      A share for each portion; see `put_share`.

    Raises:
      UserError: the file is gone, replaced or shortened.
    """
    path, offset = split.image_file
    try:
        images = _Images(path, offset, split.images.shape, split.inode)
    except OSError as error:
        raise UserError(f"{path} can no longer be read: {error.strerror}") from error
    source = _Portions(
        images=images,
        labels=split.labels,
        order=own_part(order, mesh),
        portions=portions,
    )
    options = grain.ReadOptions(num_threads=_AHEAD, prefetch_buffer_size=_AHEAD)
    shares = grain.MapDataset.source(source).to_iter_dataset(options)
    if workers:
        if not flags.FLAGS.is_parsed():  # Grain reads flags, and no command has parsed them
            flags.FLAGS.mark_as_parsed()
        # through pipes: shared memory is small in containers, and outlives a stopped process
        through_pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
        shares = grain.experimental.WithOptionsIterDataset(shares, through_pipes)
        shares = shares.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    with contextlib.closing(iter(shares)) as iterator:  # closing ends the processes
        for _ in portions:
            try:
                share = next(iterator)
            except (OSError, ValueError) as error:  # the file is gone, replaced or shortened
                reason = str(error).splitlines()[0]
                raise UserError(f"{images.path} can no longer be read: {reason}") from error
            yield put_share(share, mesh)

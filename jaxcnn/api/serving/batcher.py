"""Batches of the images that wait at the same time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


class Batcher:
    """A function of batches, called with single images.

    Images that arrive while the function computes wait, and become the next batch together. So an
    image on its own is not delayed. Batches are padded to one of a few sizes. Each size compiles
    once.
    """

    def __init__(
        self,
        function: Function,
        sizes: Sequence[int],
        worker: Executor,
        observe: Callable[[int], None] = lambda count: None,
    ):
        """Make a batcher.

        Args:
          function: maps images, uint8 (size, height, width, channels), to an array (size, …).
          sizes: the sizes of batches, ascending.
          worker: calls the function.
          observe: gets the number of images of each batch.
        """
        self._function, self._sizes = function, tuple(sizes)
        self._worker, self._observe = worker, observe
        self._waiting: list[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = []
        self._task: asyncio.Task[None] | None = None

    def compile(self, image_shape: tuple[int, int, int]) -> None:
        """Call the function once with a batch of each size."""
        for size in self._sizes:
            self._function(np.zeros((size, *image_shape), np.uint8))

    async def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the function's row for an image, uint8 (height, width, channels)."""
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self._waiting.append((image, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        """Compute batches until no image waits."""
        while self._waiting:
            batch = self._waiting[: self._sizes[-1]]
            del self._waiting[: len(batch)]
            images, futures = zip(*batch, strict=True)
            self._observe(len(images))
            loop = asyncio.get_running_loop()
            try:
                rows = await loop.run_in_executor(self._worker, self._compute, np.stack(images))
            except Exception as error:  # an error of one batch must not end the next ones
                for future in _waited_for(futures):
                    future.set_exception(error)
            else:
                for future, row in zip(futures, rows, strict=True):
                    if not future.done():
                        future.set_result(row)

    def _compute(self, images: np.ndarray) -> np.ndarray:
        size = next(size for size in self._sizes if size >= len(images))
        padded = np.resize(images, (size, *images.shape[1:]))
        return self._function(padded)[: len(images)]


def _waited_for(futures: Sequence[asyncio.Future]) -> list[asyncio.Future]:
    """Return the futures whose request has not been canceled."""
    return [future for future in futures if not future.done()]

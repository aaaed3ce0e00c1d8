"""The network of a run, for requests that come at once."""

import asyncio
import base64
import dataclasses
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import softmax

from jaxcnn.api.serving.batcher import Batcher
from jaxcnn.api.serving.uploads import ReadUpload, Upload, read_upload
from jaxcnn.evaluation.predictions import top_classes
from jaxcnn.evaluation.probes import compile_grad_cam
from jaxcnn.evaluation.trained import Trained
from jaxcnn.evaluation.user_pictures import read_pictures

_BATCH_SIZES = (1, 4, 16, 64)
_GRAD_CAM_SIZES = (1, 8)
_MOST_READERS = 4  # threads that read pictures; each may need several hundred MB


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a request.

    Attributes:
      top_k: the number of classes to give for each picture.
      invert: read the negatives of the pictures.
      grad_cam: give the network's input and the regions of Grad-CAM as images.
    """

    top_k: int = 5
    invert: bool = False
    grad_cam: bool = False


class Network:
    """A trained network whose calls on pictures are batched.

    One thread computes, and others read pictures.
    """

    def __init__(
        self,
        trained: Trained,
        min_confidence: float = 0.0,
        observe: Callable[[int], None] = lambda count: None,
    ):
        """Compile the network for all sizes of batches.

        Args:
          trained: the network.
          min_confidence: with a lower probability of the first class, a picture is "unknown".
          observe: gets the number of images of each batch.

        Raises:
          UserError: the network takes neither gray nor color images.
        """
        read_pictures(trained, [])
        self.trained, self.min_confidence = trained, min_confidence
        self._worker = ThreadPoolExecutor(1)
        self._readers = ThreadPoolExecutor(min(_MOST_READERS, os.cpu_count() or 1))
        self._probabilities = Batcher(self._compute, _BATCH_SIZES, self._worker, observe)
        self._probabilities.compile(trained.image_shape)
        grad_cam = compile_grad_cam(trained)
        self._grad_cam: Batcher | None = None
        if grad_cam is not None:
            self._grad_cam = Batcher(grad_cam, _GRAD_CAM_SIZES, self._worker)
            self._grad_cam.compile(trained.image_shape)

    def close(self) -> None:
        """End the threads, without waiting for them."""
        for threads in (self._worker, self._readers):
            threads.shutdown(wait=False, cancel_futures=True)

    def describe(self) -> dict[str, Any]:
        """Return the facts of the network for JSON."""
        trained = self.trained
        return {
            "network": trained.config.model.name,
            "dataset": trained.config.dataset.name,
            "classes": list(trained.class_names),
            "image_shape": list(trained.image_shape),
            "checkpoint": trained.checkpoint,
            "epoch": trained.epoch,
            "step": trained.step,
            "temperature": trained.temperature,
            "min_confidence": self.min_confidence,
            "has_grad_cam": self._grad_cam is not None,
        }

    async def predict(self, uploads: Sequence[Upload], options: Options) -> list[dict[str, Any]]:
        """Return the predictions for uploads as JSON, in their order.

        Raises:
          Refused: an upload is no picture, or is too large.
        """
        loop = asyncio.get_running_loop()
        reading = [
            loop.run_in_executor(self._readers, read_upload, self.trained, upload, options.invert)
            for upload in uploads
        ]
        try:
            pictures = await asyncio.gather(*reading)
        finally:  # after an error the others need not be read
            for future in reading:
                future.cancel()
        return await asyncio.gather(*[self._predict(picture, options) for picture in pictures])

    async def _predict(self, picture: ReadUpload, options: Options) -> dict[str, Any]:
        row = await self._probabilities(picture.pixels)
        top = top_classes(
            self.trained.class_names,
            Path(picture.name),
            picture.pixels,
            row,
            top_k=options.top_k,
            min_confidence=self.min_confidence,
        )
        answer = top.to_json() | {"file": picture.name, "warnings": list(picture.warnings)}
        if options.grad_cam:
            answer["input"] = _to_png(picture.pixels)
            answer["grad_cam"] = None
            if self._grad_cam is not None:
                answer["grad_cam"] = _to_png(_to_bytes(await self._grad_cam(picture.pixels)))
        return answer

    def _compute(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities, float32 (n, num_classes)."""
        return softmax(self.trained.logits(images, batch_size=len(images)), axis=-1)


def _to_bytes(regions: np.ndarray) -> np.ndarray:
    """Return values of 0 to 1 as uint8, with a channel axis."""
    return np.rint(255 * regions).astype(np.uint8)[..., None]


def _to_png(pixels: np.ndarray) -> str:
    """Return an image, uint8 (height, width, 1 or 3), as the address of a PNG in a page."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

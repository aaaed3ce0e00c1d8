"""A trained network, read from a run's folder to be evaluated, used or exported."""

import dataclasses
import functools
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from scipy.special import softmax

from jaxcnn.data.arrays import to_array, to_images
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.data.pictures.decoding import find_pictures
from jaxcnn.data.places import is_pictures_name
from jaxcnn.data.superclasses import SELECTED, SELECTED_BY
from jaxcnn.errors import UserError
from jaxcnn.evaluation.evaluation_files import compute_metrics
from jaxcnn.evaluation.examples import Examples, describe_evaluation, load_examples
from jaxcnn.evaluation.labeled_set import load_labeled_set
from jaxcnn.evaluation.metrics import LabeledPredictions, confident_mistakes
from jaxcnn.evaluation.mistakes import MOST_MISTAKES, describe_mistakes
from jaxcnn.evaluation.predictions import TTA, Predictions, scores
from jaxcnn.evaluation.user_pictures import find_warnings, read_pictures, warning_line
from jaxcnn.files.paths import below, user_path
from jaxcnn.files.writing import to_json
from jaxcnn.nn.heads import to_scores
from jaxcnn.training import parallel
from jaxcnn.workdir.run_files import read_calibration
from jaxcnn.workdir.run_parts import require_parts
from jaxcnn.workdir.weights import RunWeights, load_weights, read_statistics

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True, repr=False)
class Trained(RunWeights):
    """The trained network of a run, with the conversion and scaling of its images.

    `model` is the network, an `nnx.Module` in evaluation mode; it takes scaled float images.
    `predict`, `forward` and `logits` take pixels and scale them. `config` is the run's config.

    Attributes:
      class_names: in the order of the logits.
      image_shape: the network's input (height, width, channels).
      pixel_shift: float32 (channels,) or (). The network's input is
        `(pixels - pixel_shift) * pixel_scale`, with pixels in 0 to 255.
      pixel_scale: float32 (channels,) or ().
      conversion: how the training pictures were converted to 8 bits.
      picture_statistics: statistics of the training pictures, see `data/pictures/statistics.py`;
        None for a run of older code.
      temperature: divides the logits, so that the probabilities fit how often the predictions are
        right; 1 for a run without `calibration.json`.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_shift: np.ndarray
    pixel_scale: np.ndarray
    conversion: Conversion
    picture_statistics: dict[str, tuple[float, ...]] | None
    temperature: float = 1.0

    @property
    def params(self) -> dict[str, Any]:
        """The network's parameters, as nested dicts of NumPy arrays by layer."""
        return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(self.model, nnx.Param)))

    def predict(
        self, images: Any, *, invert: bool = False, min_confidence: float = 0.0
    ) -> Predictions:
        """Return the predictions for a user's images.

        Args:
          images: an array, uint8 (n, height, width, channels) of the network's `image_shape`, or
            one image; or the path of a picture or of a folder of pictures, or a list of paths.
            Pictures are fitted to the network's input as the command `predict` does it.
          invert: invert pictures read from paths, such as black digits on white paper for a
            network that was trained on white digits.
          min_confidence: the least probability of the predicted class; below it, the image's entry
            in `classes` is "unknown".

        Raises:
          UserError: the array does not fit the network, a file is no picture, or the folders hold
            none.
        """
        path, files = (str, os.PathLike), None
        if isinstance(images, path):
            images = [images]
        if isinstance(images, (list, tuple)) and images and isinstance(images[0], path):
            files, pixels = self._read(images, invert)
        else:
            pixels = self._check(images)
        return Predictions(
            class_names=self.class_names,
            probabilities=softmax(self.logits(pixels).astype(np.float64), axis=-1),
            indices=np.arange(len(pixels)),
            files=files,
            min_confidence=min_confidence,
        )

    def evaluate(
        self, data: str | Dataset = "test", split: str = "test", tta: str = "none"
    ) -> dict[str, Any]:
        """Return the metrics on a split, as `evaluation/SPLIT.json` has them; nothing is written.

        Args:
          data: "test", "validation" or "train", a split of the run's data; or a dataset. A run that
            was trained on arrays needs them as a dataset. Another dataset is evaluated as it is.
            "folder:PATH" and "table:PATH" are other labeled pictures, see `load_labeled_set`.
          split: the split of the dataset, if `data` is one.
          tta: test-time augmentation: "none", "flip" or "six_views".

        Raises:
          UserError: the data cannot be read, are not the run's, or do not fit the network.
        """
        require_parts(self.workdir, self.config, ["metric"])
        examples = self._examples(data, split)
        about = describe_evaluation(self, examples, tta)
        selected = SELECTED if about["publication"] == SELECTED_BY else ()
        predictions = self.score(examples, tta)
        table = Predictions.of_examples(predictions, examples)
        worst = confident_mistakes(predictions, MOST_MISTAKES)
        metrics = compute_metrics(
            predictions,
            about,
            metric_names=self.config.metrics,
            selected_classes=selected,
            mistakes=describe_mistakes(table, worst),
        )
        return to_json(metrics)

    def predictions(self, data: str | Dataset = "test", split: str = "test") -> Predictions:
        """Return the predictions for a split with the true classes.

        Args:
          data: see `evaluate`.
          split: see `evaluate`.

        Raises:
          UserError: see `evaluate`.
        """
        examples = self._examples(data, split)
        return Predictions.of_examples(self.score(examples), examples)

    def _examples(self, data: str | Dataset, split: str) -> Examples:
        if isinstance(data, Dataset):
            return load_examples(self, split, dataset=data)
        if not isinstance(data, str):
            raise UserError(f"data: is {type(data).__name__}; it must be a Dataset or a split")
        if is_pictures_name(data):
            return load_labeled_set(self, data, split)
        return load_examples(self, data)

    def score(self, examples: Examples, tta: str = "none") -> LabeledPredictions:
        """Return the predictions for labeled examples.

        Args:
          examples: from `load_examples`.
          tta: see `evaluate`.
        """
        if tta not in TTA:
            raise UserError(f"tta = {tta!r}: must be one of {', '.join(TTA)}")
        values = scores(self, examples.images, tta)
        return LabeledPredictions.from_logits(examples.labels, values, self.class_names)

    def _check(self, images: Any) -> np.ndarray:
        """Return an array of images in the network's shape, with a batch axis."""
        shape, is_gray = self.image_shape, self.image_shape[-1] == 1
        pixels = to_array("the images", images)
        if pixels.shape == shape or (is_gray and pixels.shape == shape[:2]):
            pixels = pixels.reshape(1, *shape)
        pixels = to_images("the images", pixels)
        if pixels.shape[1:] != shape:
            raise UserError(
                f"the images: have the shape {pixels.shape}; the network takes (n, "
                f"{', '.join(map(str, shape))}); paths of pictures are resized"
            )
        return pixels

    def _read(self, paths: Sequence[Any], invert: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the files of pictures and their pixels; warn of unusual pictures."""
        listed = list(find_pictures(user_path(os.fspath(path)) for path in paths))
        if not listed:
            raise UserError("the folders hold no pictures")
        read, pixels, skipped = read_pictures(self, listed, invert=invert)
        for error in skipped.values():
            raise error
        for warning in find_warnings(self, read, pixels, invert=invert):
            warnings.warn(warning_line(warning, len(read)).removeprefix("warning: "), stacklevel=3)
        return tuple(map(str, read)), pixels

    def __repr__(self) -> str:
        network, data = self.config.model.name, self.config.dataset.name
        return (
            f"Trained({str(below(self.workdir, Path.cwd()))!r}: {network} on {data}, "
            f"{self.checkpoint} weights, epoch {self.epoch}, step {self.step})"
        )

    def forward(
        self, pixels: jax.Array, intermediates: dict[str, jax.Array] | None = None
    ) -> jax.Array:
        """Return the logits, float32 (batch, num_classes); their softmax gives the probabilities.

        They are divided by the temperature. The function is pure, so it can be compiled and
        differentiated. It computes in the run's own precision.

        Args:
          pixels: 0…255, uint8 or float (batch, height, width, channels).
          intermediates: filled with each layer's output, if given.
        """
        images = (pixels.astype(np.float32) - self.pixel_shift) * self.pixel_scale
        dtype = jnp.dtype(self.config.precision)
        model = nnx.clone(self.model)  # of this trace: a user's layer may write its statistics
        outputs = model(images, heads=True, dtype=dtype, intermediates=intermediates)
        scores = to_scores(outputs, self.config.loss.heads)
        return scores if self.temperature == 1 else scores / self.temperature

    def logits(self, images: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Return the logits of any number of images, computed on all devices of this host.

        Args:
          images: uint8 (n, height, width, channels).
          batch_size: images of each call, rounded up to a multiple of the devices; each size
            compiles once.

        Returns:
          float32 (n, num_classes), on the host.
        """
        size = -(-batch_size // self._mesh.size) * self._mesh.size
        parts = []
        for start in range(0, len(images), size):
            part = np.asarray(images[start : start + size])
            padded = np.resize(part, (size, *part.shape[1:]))  # one shape, which compiles once
            parts.append(jax.device_get(self._compiled(self._place(padded)))[: len(part)])
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)), np.float32)

    @functools.cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return parallel.make_local_mesh()

    def _place(self, images: np.ndarray) -> jax.Array:
        return jax.device_put(images, NamedSharding(self._mesh, PartitionSpec(parallel.AXIS)))

    @functools.cached_property
    def _compiled(self) -> Any:
        graph, arrays = nnx.split(self.model)
        arrays = parallel.on_every_device(nnx.to_pure_dict(arrays), self._mesh)

        @jax.jit
        def logits(arrays: dict, images: jax.Array) -> jax.Array:
            model = nnx.merge(graph, nnx.State(arrays))
            return dataclasses.replace(self, model=model).forward(images)

        return functools.partial(logits, arrays)


def load_trained(workdir: str | Path, checkpoint: str = "") -> Trained:
    """Return the network of a run, with the weights of one of its checkpoints.

    The function writes nothing, so a run may be training in the folder at the same time.

    Args:
      workdir: the run's folder.
      checkpoint: "best" or "latest"; "" for the checkpoint that the run itself tests.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or a file in it is damaged.
    """
    if checkpoint not in ("", "best", "latest"):
        raise UserError(f'checkpoint = {checkpoint!r}: must be "best", "latest" or ""')
    weights = load_weights(user_path(os.fspath(workdir)), checkpoint)
    # the program may change its working directory before it evaluates
    weights = dataclasses.replace(weights, workdir=weights.workdir.absolute())
    about = weights.about
    calibration = read_calibration(weights.workdir, weights.checkpoint, weights.step)
    return Trained(
        **vars(weights),
        class_names=tuple(about["class_names"]),
        image_shape=tuple(about["image_shape"]),
        pixel_shift=np.asarray(about["pixel_shift"], np.float32),
        pixel_scale=np.asarray(about["pixel_scale"], np.float32),
        conversion=Conversion(**(about.get("reading") or {})),
        picture_statistics=read_statistics(about),
        temperature=calibration["temperature"] if calibration else 1.0,
    )

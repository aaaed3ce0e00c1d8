"""A trained network, taken out of a run's folder to be scored, asked or exported."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data import views as data_views
from jaxcnn.data.dataset import Split
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.training import parallel
from jaxcnn.training.data_notes import trained_on
from jaxcnn.training.losses import to_scores
from jaxcnn.workdir.run_data import load_run_data, refuse_other_data
from jaxcnn.workdir.weights import load_weights, read_statistics

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network with the weights of a checkpoint, in evaluation mode.

    Attributes:
      workdir: the run's folder.
      config: as the run resolved it.
      checkpoint: "best" (on validation) or "latest".
      step: of the checkpoint.
      epoch: finished epochs at the checkpoint.
      class_names: in the order of the logits.
      image_shape: (height, width, channels) that the network takes.
      model: the network; its parameters are the moving average where the run keeps one.
      pixel_shift, pixel_scale: float32 (channels,) or (): the network's input is
        (pixels 0…255 − shift) · scale.
      conversion: how the training pictures were converted to 8 bits.
      picture_statistics: theirs, see `data/statistics.py`; None where an older run kept none.
    """

    workdir: Path
    config: ConfigDict
    checkpoint: str
    step: int
    epoch: int
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    model: models.Network
    pixel_shift: np.ndarray
    pixel_scale: np.ndarray
    conversion: Conversion
    picture_statistics: dict[str, tuple[float, ...]] | None

    def scores(
        self, pixels: jax.Array, intermediates: dict[str, jax.Array] | None = None
    ) -> jax.Array:
        """Pixels 0…255, uint8 or float (batch, height, width, channels) → float32 (batch,
        num_classes), whose softmax are the probabilities; pure, to be compiled or derived. It is
        computed in the run's own precision. `intermediates` is filled with each layer's output."""
        images = (pixels.astype(np.float32) - self.pixel_shift) * self.pixel_scale
        dtype = jnp.dtype(self.config.precision)
        outputs = self.model(images, dtype=dtype, intermediates=intermediates)
        return to_scores(outputs, self.config.loss.heads)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """As `scores`, on the host and on all devices: uint8 (n, height, width, channels) →
        float32 (n, num_classes)."""
        size = self._batch_size
        parts = []
        for start in range(0, len(images), size):
            part = np.asarray(images[start : start + size])
            padded = np.resize(part, (size, *part.shape[1:]))  # one shape: compiled once
            parts.append(jax.device_get(self._compiled(self._place(padded)))[: len(part)])
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)), np.float32)

    @functools.cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return parallel.make_local_mesh()

    @property
    def _batch_size(self) -> int:
        return -(-BATCH_SIZE // self._mesh.size) * self._mesh.size

    def _place(self, images: np.ndarray) -> jax.Array:
        return jax.device_put(images, NamedSharding(self._mesh, PartitionSpec(parallel.AXIS)))

    @functools.cached_property
    def _compiled(self) -> Any:
        graph, arrays = nnx.split(self.model)
        arrays = parallel.on_every_device(nnx.to_pure_dict(arrays), self._mesh)

        @jax.jit
        def scores(arrays: dict, images: jax.Array) -> jax.Array:
            model = nnx.merge(graph, nnx.State(arrays))
            return dataclasses.replace(self, model=model).scores(images)

        return functools.partial(scores, arrays)


def load_trained(workdir: str | Path, checkpoint: str = "") -> Trained:
    """Return the network of a run, with the weights of one of its checkpoints.

    Reads only: a run may be training in the folder meanwhile.

    Args:
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it is damaged.
    """
    weights = load_weights(workdir, checkpoint)
    about = weights.about
    return Trained(
        workdir=weights.workdir,
        config=weights.config,
        checkpoint=weights.checkpoint,
        step=weights.step,
        epoch=weights.epoch,
        class_names=tuple(about["class_names"]),
        image_shape=tuple(about["image_shape"]),
        model=weights.model,
        pixel_shift=np.asarray(about["pixel_shift"], np.float32),
        pixel_scale=np.asarray(about["pixel_scale"], np.float32),
        conversion=Conversion(**(about.get("reading") or {})),
        picture_statistics=read_statistics(about),
    )


@dataclasses.dataclass(frozen=True)
class Examples(Split):
    """The examples of a run's split, and how many of them the run was trained on as well."""

    trained_on: int = 0


def load_examples(trained: Trained, split: str, data_at: Path | None = None) -> Examples:
    """The examples of the run's "train", "validation" or "test", as the run cut them.

    Args:
      data_at: see `load_run_data`.

    Raises:
      UserError: the dataset cannot be had, or is not the run's.
    """
    dataset = load_run_data(trained.config, trained.workdir, data_at)
    views = data_views.views_of(trained.config, dataset)
    refuse_other_data(trained.workdir, data_views.data_identity(dataset, views))
    view = views[split]
    arrays = dataset.splits[view.split]
    images, labels = arrays.images[view.indices], arrays.labels[view.indices]
    return Examples(images, labels, trained_on=trained_on(dataset, views, split))

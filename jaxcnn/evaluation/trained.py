"""A trained network, read from a run's folder to be evaluated, used or exported."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn.data import views as data_views
from jaxcnn.data.dataset import Split
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.nn.heads import to_scores
from jaxcnn.training import parallel
from jaxcnn.training.data_notes import trained_on
from jaxcnn.workdir.run_data import load_run_data, refuse_other_data
from jaxcnn.workdir.weights import RunWeights, load_weights, read_statistics

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class Trained(RunWeights):
    """The weights of a run's checkpoint, with what turns pictures into logits.

    Attributes:
      class_names: in the order of the logits.
      image_shape: the network's input (height, width, channels).
      pixel_shift, pixel_scale: float32 (channels,) or (): the network's input is
        (pixels 0…255 − shift) · scale.
      conversion: how the training pictures were converted to 8 bits.
      picture_statistics: those of the training pictures, see `data/pictures/statistics.py`; None
        if the run is of older code, which kept none.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_shift: np.ndarray
    pixel_scale: np.ndarray
    conversion: Conversion
    picture_statistics: dict[str, tuple[float, ...]] | None

    def forward(
        self, pixels: jax.Array, intermediates: dict[str, jax.Array] | None = None
    ) -> jax.Array:
        """Return the logits, float32 (batch, num_classes); their softmax gives the probabilities.

        A pure function, which can be compiled and differentiated. It computes in the run's own
        precision.

        Args:
          pixels: 0…255, uint8 or float (batch, height, width, channels).
          intermediates: filled with each layer's output, if given.
        """
        images = (pixels.astype(np.float32) - self.pixel_shift) * self.pixel_scale
        dtype = jnp.dtype(self.config.precision)
        outputs = self.model(images, heads=True, dtype=dtype, intermediates=intermediates)
        return to_scores(outputs, self.config.loss.heads)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of any number of images, computed on all devices of this host.

        Args:
          images: uint8 (n, height, width, channels).

        Returns:
          float32 (n, num_classes), on the host.
        """
        size = self._batch_size
        parts = []
        for start in range(0, len(images), size):
            part = np.asarray(images[start : start + size])
            padded = np.resize(part, (size, *part.shape[1:]))  # one shape, which compiles once
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
        def logits(arrays: dict, images: jax.Array) -> jax.Array:
            model = nnx.merge(graph, nnx.State(arrays))
            return dataclasses.replace(self, model=model).forward(images)

        return functools.partial(logits, arrays)


def load_trained(workdir: str | Path, checkpoint: str = "") -> Trained:
    """Return the network of a run, with the weights of one of its checkpoints.

    Nothing is written, so a run may be training in the folder at the same time.

    Args:
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or a file in it is damaged.
    """
    weights = load_weights(workdir, checkpoint)
    about = weights.about
    return Trained(
        **vars(weights),
        class_names=tuple(about["class_names"]),
        image_shape=tuple(about["image_shape"]),
        pixel_shift=np.asarray(about["pixel_shift"], np.float32),
        pixel_scale=np.asarray(about["pixel_scale"], np.float32),
        conversion=Conversion(**(about.get("reading") or {})),
        picture_statistics=read_statistics(about),
    )


@dataclasses.dataclass(frozen=True)
class Examples(Split):
    """The examples of a run's split.

    Attributes:
      trained_on: the number of them that the training split holds as well, as copies.
    """

    trained_on: int = 0


def load_examples(trained: Trained, split: str, data_at: Path | None = None) -> Examples:
    """Return the examples of the run's "train", "validation" or "test" split.

    Args:
      data_at: see `load_run_data`.

    Raises:
      UserError: the dataset cannot be read, or is not the run's.
    """
    dataset = load_run_data(trained.config, trained.workdir, data_at)
    views = data_views.views_of(trained.config, dataset)
    refuse_other_data(trained.workdir, data_views.data_identity(dataset, views))
    view = views[split]
    arrays = dataset.splits[view.split]
    images, labels = arrays.images[view.indices], arrays.labels[view.indices]
    return Examples(images, labels, trained_on=trained_on(dataset, views, split))

"""A trained network, taken out of a run's folder to be scored, asked or exported."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.config import older_defaults
from jaxcnn.config_check import check_config
from jaxcnn.data import feed
from jaxcnn.data.arrays import Split
from jaxcnn.errors import UserError
from jaxcnn.reporting.writers import read_json
from jaxcnn.training import parallel
from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.losses import to_scores
from jaxcnn.training.progress import Progress
from jaxcnn.training.setup import load_data
from jaxcnn.training.state import split_model
from jaxcnn.training.workdir import refuse_other_data

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
    """The network of a run, with the weights of one of its checkpoints.

    Reads only: a run may be training in the folder meanwhile.

    Args:
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it is damaged.
    """
    workdir = Path(workdir)
    if not (workdir / "config.json").exists():
        raise UserError(f"{workdir}: holds no run; name the --workdir of one")
    config, about = read_config(workdir / "config.json"), _read_about(workdir / "dataset.json")
    checkpoint = checkpoint or tested_checkpoint(workdir)
    model = models.build(
        **config.model,
        num_classes=len(about.class_names),
        image_shape=tuple(about.image_shape),
        abstract=True,
    )
    step, progress, weights = _restore(workdir, checkpoint, _abstract_weights(config, model))
    finished = Progress(**progress).epoch_at(step, about.steps_per_epoch)
    for part in weights.values():
        nnx.update(model, nnx.State(part))
    model.eval()
    return Trained(
        workdir=workdir,
        config=config,
        checkpoint=checkpoint,
        step=step,
        epoch=progress["best_epoch"] if checkpoint == "best" else finished,
        class_names=tuple(about.class_names),
        image_shape=tuple(about.image_shape),
        model=model,
        pixel_shift=np.asarray(about.pixel_shift, np.float32),
        pixel_scale=np.asarray(about.pixel_scale, np.float32),
    )


def tested_checkpoint(workdir: Path) -> str:
    """The checkpoint whose test accuracy stands in the run's result, or will: "best", "latest"."""
    for name, field in (("result", "tested_with"), ("config", "test_with")):
        path = workdir / f"{name}.json"
        found = read_json(path) if path.exists() else None
        if isinstance(found, dict) and found.get(field) in ("best", "last"):
            return "latest" if found[field] == "last" else "best"
    return "best"


def load_examples(trained: Trained, split: str) -> Split:
    """The examples of the run's "train", "validation" or "test", as the run cut them.

    Raises:
      UserError: the dataset cannot be had, or its classes or image size are not the run's.
    """
    dataset = load_data(trained.config)
    names = ("class_names", "image_shape")
    refuse_other_data(trained.workdir, {name: list(getattr(dataset, name)) for name in names})
    view = feed.views_of(trained.config, dataset)[split]
    arrays = dataset.splits[view.split]
    return Split(arrays.images[view.indices], arrays.labels[view.indices])


def read_config(path: Path) -> ConfigDict:
    """The config of a run's folder; fields that the run lacks have their older defaults.

    Raises:
      UserError: it is not a run's, or damaged.
    """
    config = older_defaults()
    with _refusing(path):
        found = _tuples(read_json(path))
        config.model = {}  # another network has other options
        config.update(found)
        check_config(config)
    return config


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, which configs have."""
    if isinstance(value, dict):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _read_about(path: Path) -> ConfigDict:
    """What a run wrote of its data."""
    with _refusing(path):
        about = ConfigDict(read_json(path))
        shape, names = tuple(about.image_shape), about.class_names
        scaling = [np.asarray(about[name], np.float32) for name in ("pixel_shift", "pixel_scale")]
        if not (
            (names and all(isinstance(name, str) for name in names))
            and len(shape) == 3
            and all(
                type(number) is int and number > 0 for number in (*shape, about.steps_per_epoch)
            )
            and all(part.shape in ((), shape[2:]) and np.isfinite(part).all() for part in scaling)
        ):
            raise ValueError("a value that no run writes")
    return about


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # anything may stand in a file
        if str(path) in str(error):
            raise
        raise UserError(f"{path}: is not a run's, or damaged ({error})") from error


def _abstract_weights(config: ConfigDict, model: models.Network) -> dict[str, Any]:
    """The shapes of what a checkpoint holds of the network, on the first device."""
    _, _, params, batch_stats = split_model(model)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    averaged = config.optimizer.ema_decay > 0
    weights = {"ema" if averaged else "params": params, "batch_stats": batch_stats}
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), weights
    )


def _restore(workdir: Path, checkpoint: str, like: dict) -> tuple[int, dict, dict]:
    """The step of the checkpoint that is asked for, the run's progress, and the weights."""
    checkpoints, step = Checkpoints(workdir, read_only=True), None
    try:
        latest = checkpoints.latest_step()
        if latest is None:
            raise UserError(f"{workdir}: the run has no checkpoint yet")
        step = latest
        progress = checkpoints.restore_progress(latest)
        if checkpoint == "best":
            step = progress["best_step"]
            if not checkpoints.has(step):
                raise UserError(
                    f"{workdir}: has no best checkpoint; evaluate, predict and export take the "
                    "latest with --checkpoint=latest"
                )
        weights = checkpoints.restore_weights(step, like)
    except UserError:
        raise
    except Exception as error:  # damage can raise anything
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{workdir}: its checkpoint {step} is damaged ({reason})") from error
    finally:
        checkpoints.close()
    return step, progress, weights

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

from jaxcnn import devices, models
from jaxcnn.config import older_defaults
from jaxcnn.config_check import check_config
from jaxcnn.data import feed
from jaxcnn.data.arrays import Split
from jaxcnn.data.reading import Reading
from jaxcnn.data.statistics import feature_names
from jaxcnn.errors import UserError
from jaxcnn.reporting import run_files
from jaxcnn.training import parallel
from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.data_notes import trained_on
from jaxcnn.training.losses import to_scores
from jaxcnn.training.progress import Progress
from jaxcnn.training.run_data import load_run_data, refuse_other_data
from jaxcnn.training.state import split_model

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
      reading: how the training pictures were read.
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
    reading: Reading
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
    run_files.refuse_links(workdir)
    config, about = read_config(workdir / "config.json"), _read_about(workdir)
    devices.start(config.deterministic)
    checkpoint = checkpoint or tested_checkpoint(workdir)
    with _refusing(workdir / "config.json"):  # a network that cannot be, for these images
        model = models.build(
            **config.model,
            num_classes=len(about["class_names"]),
            image_shape=tuple(about["image_shape"]),
            abstract=True,
        )
        like = _abstract_weights(config, model)
    step, progress, weights = _restore(workdir, checkpoint, like)
    if progress.data_digest not in ("", run_files.data_digest(about)):
        raise UserError(
            f"{workdir / 'dataset.json'}: is not the one that checkpoint {step} was written with"
        )
    finished = progress.epoch_at(step, about["steps_per_epoch"])
    for part in weights.values():
        nnx.update(model, nnx.State(part))
    model.eval()
    return Trained(
        workdir=workdir,
        config=config,
        checkpoint=checkpoint,
        step=step,
        epoch=progress.best_epoch if checkpoint == "best" else finished,
        class_names=tuple(about["class_names"]),
        image_shape=tuple(about["image_shape"]),
        model=model,
        pixel_shift=np.asarray(about["pixel_shift"], np.float32),
        pixel_scale=np.asarray(about["pixel_scale"], np.float32),
        reading=Reading(**(about.get("reading") or {})),
        picture_statistics=_read_statistics(about),
    )


def tested_checkpoint(workdir: Path) -> str:
    """The checkpoint whose test accuracy stands in the run's result, or will: "best", "latest"."""
    for name, field in (("result.json", "tested_with"), ("config.json", "test_with")):
        found = run_files.read_part_if_there(workdir, name) or {}
        if field in found:
            return "latest" if found[field] == "last" else "best"
    return "best"


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
    views = feed.views_of(trained.config, dataset)
    refuse_other_data(trained.workdir, feed.data_identity(dataset, views))
    view = views[split]
    arrays = dataset.splits[view.split]
    images, labels = arrays.images[view.indices], arrays.labels[view.indices]
    return Examples(images, labels, trained_on=trained_on(dataset, views, split))


def read_config(path: Path) -> ConfigDict:
    """The config of a run's folder; fields that the run lacks have their older defaults.

    Raises:
      UserError: it is not a run's, or damaged.
    """
    config = older_defaults()
    with _refusing(path):
        found = _tuples(run_files.read_part(path.parent, path.name))
        config.model = {}  # another network has other options
        config.update(found)
        check_config(config)
    return config


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, which configs have."""
    if isinstance(value, dict):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _read_about(workdir: Path) -> dict[str, Any]:
    """What a run wrote of its data."""
    need = ("class_names", "image_shape", "pixel_shift", "pixel_scale", "steps_per_epoch")
    about = run_files.read_part(workdir, "dataset.json", need)
    shape = about["image_shape"]
    scaling = [np.shape(about[name]) for name in ("pixel_shift", "pixel_scale")]
    if len(shape) != 3 or not all(part in ((), (shape[-1],)) for part in scaling):
        raise UserError(f"{workdir / 'dataset.json'}: its image_shape and its scaling do not fit")
    with _refusing(workdir / "dataset.json"):
        Reading(**(about.get("reading") or {}))
        _read_statistics(about)
    return about


def _read_statistics(about: dict[str, Any]) -> dict[str, tuple[float, ...]] | None:
    """Low, median and high of each feature; None where an older run kept none.

    Raises:
      Exception: they are not a run's.
    """
    found = about.get("picture_statistics")
    if found is None:
        return None
    names = feature_names(about["image_shape"][-1])
    ranges = {name: tuple(map(float, found[name])) for name in names}
    if not all(0 <= low <= middle <= high <= 255 for low, middle, high in ranges.values()):
        raise ValueError("statistics that no run writes")
    return ranges


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


def _restore(workdir: Path, checkpoint: str, like: dict) -> tuple[int, Progress, dict]:
    """The step of the checkpoint that is asked for, the run's progress, and the weights."""
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        latest = checkpoints.latest_step()
        if latest is None:
            raise UserError(f"{workdir}: the run has no checkpoint yet")
        result = run_files.read_part_if_there(workdir, "result.json") or {}
        if result.get("steps", latest) > latest:
            raise UserError(
                f"{workdir}: its newest checkpoint is of step {latest}, and the run ended at step "
                f"{result['steps']}: that one is gone; bring it back, or let the run go on"
            )
        with _naming(workdir, latest, checkpoints):
            progress = Progress(**checkpoints.restore_progress(latest))
        step = progress.best_step if checkpoint == "best" else latest
        if not checkpoints.has(step):
            raise UserError(
                f"{workdir}: has no best checkpoint; evaluate, predict and export take the "
                "latest with --checkpoint=latest"
            )
        with _naming(workdir, step, checkpoints):
            checkpoints.restore_progress(step)  # of this run too
            return step, progress, checkpoints.restore_weights(step, like)


@contextlib.contextmanager
def _naming(workdir: Path, step: int, checkpoints: Checkpoints) -> Iterator[None]:
    """Tells which checkpoint cannot be read."""
    try:
        yield
    except run_files.OtherRun:
        raise
    except Exception as error:  # damage can raise anything
        reason = checkpoints.reason(error)
        raise UserError(f"{workdir}: its checkpoint {step} is damaged ({reason})") from error

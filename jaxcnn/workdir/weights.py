"""The config and the weights of a run, read from its folder."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.data.pictures.statistics import feature_names
from jaxcnn.errors import UserError
from jaxcnn.nn.network import split_model
from jaxcnn.process import devices
from jaxcnn.workdir import run_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.progress import Progress
from jaxcnn.workdir.run_config import read_config
from jaxcnn.workdir.run_parts import changed_network

# The fields `test_with` and `tested_with` say "last"; everything else says "latest".
_CHECKPOINT_OF = {"best": "best", "last": "latest"}
_TRIES = 3  # to read a checkpoint of a run that is training


@dataclasses.dataclass(frozen=True)
class RunWeights:
    """The weights of one of a run's checkpoints, in the run's network.

    Attributes:
      workdir: the run's folder.
      config: the run's resolved config.
      checkpoint: "best" (by validation) or "latest".
      step: finished steps at the checkpoint.
      epoch: finished epochs at the checkpoint.
      about: the content of `dataset.json`.
      model: the network in evaluation mode; its parameters are the moving average if the run keeps
        one.
    """

    workdir: Path
    config: ConfigDict
    checkpoint: str
    step: int
    epoch: int
    about: dict[str, Any]
    model: models.Network


def load_weights(workdir: str | Path, checkpoint: str = "") -> RunWeights:
    """Return the weights of one of a run's checkpoints, in the run's network.

    Nothing is written, so a run may be training in the folder.

    Args:
      workdir: the run's folder.
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.

    Raises:
      UserError: the folder holds no run, or the checkpoint is missing or damaged.
    """
    workdir = Path(workdir)
    if not (workdir / "config.json").exists():
        raise UserError(f"{workdir}: holds no run; name the --workdir of one")
    run_files.refuse_links(workdir)
    config, about = read_config(workdir), _read_about(workdir)
    devices.start(config.deterministic)
    checkpoint = checkpoint or tested_checkpoint(workdir)
    with run_files.refusing_damage(workdir / "config.json"):  # the network may not fit the images
        model = _build_model(config, about)
        like = _abstract_weights(config, model)
    step, progress, weights = _restore(workdir, checkpoint, like)
    if progress.data_digest not in ("", run_files.data_digest(about)):
        raise UserError(
            f"{workdir / 'dataset.json'}: is not the one that checkpoint {step} was written with"
        )
    finished = progress.epochs  # a phase may have another number of steps per epoch
    if not progress.phases:  # a checkpoint of older code, which does not hold the epochs
        finished = progress.position(step, about["steps_per_epoch"]).epoch
    for part in weights.values():
        nnx.update(model, nnx.State(part))
    model.eval()
    return RunWeights(
        workdir=workdir,
        config=config,
        checkpoint=checkpoint,
        step=step,
        epoch=progress.best_epoch if checkpoint == "best" else finished,
        about=about,
        model=model,
    )


def tested_checkpoint(workdir: Path) -> str:
    """Return the checkpoint, "best" or "latest", that the run has tested or will test."""
    for name, field in (("result.json", "tested_with"), ("config.json", "test_with")):
        content = run_files.read_part_if_there(workdir, name) or {}
        if field in content:
            return _CHECKPOINT_OF[content[field]]
    return "best"


def _read_about(workdir: Path) -> dict[str, Any]:
    """Return the content of `dataset.json`, checked for what the network needs of it."""
    need = ("class_names", "image_shape", "pixel_shift", "pixel_scale", "steps_per_epoch")
    about = run_files.read_part(workdir, "dataset.json", need)
    shape = about["image_shape"]
    scaling = [np.shape(about[name]) for name in ("pixel_shift", "pixel_scale")]
    if len(shape) != 3 or not all(part in ((), (shape[-1],)) for part in scaling):
        raise UserError(f"{workdir / 'dataset.json'}: its image_shape and its scaling do not fit")
    with run_files.refusing_damage(workdir / "dataset.json"):
        Conversion(**(about.get("reading") or {}))
        read_statistics(about)
    return about


def read_statistics(about: dict[str, Any]) -> dict[str, tuple[float, ...]] | None:
    """Return the low, median and high value of each feature of the training pictures.

    None for an older run, which has no such statistics.

    Args:
      about: the content of `dataset.json`.

    Raises:
      Exception: the statistics are damaged.
    """
    statistics = about.get("picture_statistics")
    if statistics is None:
        return None
    names = feature_names(about["image_shape"][-1])
    ranges = {name: tuple(map(float, statistics[name])) for name in names}
    if not all(0 <= low <= middle <= high <= 255 for low, middle, high in ranges.values()):
        raise ValueError("picture_statistics are out of order or out of range")
    return ranges


def _build_model(config: ConfigDict, about: dict[str, Any]) -> models.Network:
    """Return the run's network, whose arrays have shapes but no values."""
    return models.build(
        **config.model,
        num_classes=len(about["class_names"]),
        image_shape=tuple(about["image_shape"]),
        abstract=True,
    )


def _abstract_weights(config: ConfigDict, model: models.Network) -> dict[str, Any]:
    """Return the shapes of the network's arrays in a checkpoint, on the first device."""
    _, _, params, batch_stats = split_model(model)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    averaged = config.optimizer.ema_decay > 0
    weights = {"ema" if averaged else "params": params, "batch_stats": batch_stats}
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), weights
    )


def _restore(workdir: Path, checkpoint: str, like: dict) -> tuple[int, Progress, dict]:
    """Return the checkpoint's step, the run's latest progress, and the checkpoint's weights.

    A run that is training may delete the checkpoint meanwhile, because it has a newer one.
    """
    for tries_left in reversed(range(_TRIES)):
        steps = run_files.checkpoint_steps(workdir)
        try:
            return _restore_newest(workdir, checkpoint, like)
        except UserError:
            if not tries_left or run_files.checkpoint_steps(workdir) == steps:
                raise
    raise AssertionError("the last try returns or raises")


def _restore_newest(workdir: Path, checkpoint: str, like: dict) -> tuple[int, Progress, dict]:
    """Return what `_restore` does, from the checkpoints that are there."""
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        latest = checkpoints.latest_step()
        if latest is None:
            raise UserError(f"{workdir}: the run has no checkpoint yet")
        result = run_files.read_part_if_there(workdir, "result.json") or {}
        if result.get("steps", latest) > latest:
            raise UserError(
                f"{workdir}: its newest checkpoint is of step {latest}; the one of step "
                f"{result['steps']}, where the run ended, is gone; bring it back, or let the run "
                "go on"
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
            checkpoints.restore_progress(step)  # checks that it is of this run
            return step, progress, checkpoints.restore_weights(step, like)


@contextlib.contextmanager
def _naming(workdir: Path, step: int, checkpoints: Checkpoints) -> Iterator[None]:
    """Raise any error of the block as a `UserError` that names the checkpoint."""
    try:
        yield
    except run_files.OtherRun:
        raise
    except Exception as error:  # damage can raise anything
        changed = changed_network(workdir)
        problem = f"does not fit {changed}, or is damaged" if changed else "is damaged"
        reason = checkpoints.reason(error)
        raise UserError(f"{workdir}: its checkpoint {step} {problem} ({reason})") from error

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


@dataclasses.dataclass(frozen=True)
class RunWeights:
    """The weights of a run's checkpoint, in its network.

    Attributes:
      workdir: the run's folder.
      config: as the run resolved it.
      checkpoint: "best" (on validation) or "latest".
      step: of the checkpoint.
      epoch: finished epochs at the checkpoint.
      about: what `dataset.json` holds.
      model: the network, in evaluation mode; its parameters are the moving average where the run
        keeps one.
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
    config, about = read_config(workdir), _read_about(workdir)
    devices.start(config.deterministic)
    checkpoint = checkpoint or tested_checkpoint(workdir)
    with run_files.refusing_damage(
        workdir / "config.json"
    ):  # a network that cannot be, for these images
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
    """The checkpoint whose test accuracy stands in the run's result, or will: "best", "latest"."""
    for name, field in (("result.json", "tested_with"), ("config.json", "test_with")):
        found = run_files.read_part_if_there(workdir, name) or {}
        if field in found:
            return "latest" if found[field] == "last" else "best"
    return "best"


def _read_about(workdir: Path) -> dict[str, Any]:
    """What a run wrote of its data."""
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

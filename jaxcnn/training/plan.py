"""A resolved config: every count, rate, batch shape and device of a run."""

import dataclasses

from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.order import steps_per_epoch
from jaxcnn.data.views import View, views_of
from jaxcnn.errors import UserError
from jaxcnn.process import devices
from jaxcnn.training import parallel
from jaxcnn.training.device_defaults import (
    must_stream,
    usual_num_devices,
    usual_steps_per_dispatch,
)
from jaxcnn.training.recipe import build_model, check_num_steps
from jaxcnn.workdir.position import Position

_MIN_EVAL_BATCH_SIZE = 256
LARGEST_BATCH = 512  # images; larger batches need another recipe
_FEWEST_STEPS = 10  # of an epoch


@dataclasses.dataclass(frozen=True)
class Plan:
    """A config, resolved for a dataset and the devices of this machine or group.

    Attributes:
      config: the checked config.
      views: the rows of the dataset that "train", "validation" and "test" read.
      network: the network's layers, parameters and operations.
      mesh: the devices, with the one axis "batch".
      steps_per_epoch: training steps of an epoch.
      steps_per_dispatch: training steps in one call of the devices.
      num_epochs: epochs of the whole run; the last is a part where `config.num_steps` ends in it.
      schedule_start: finished epochs at the start of the learning-rate schedule.
      streams: True if images are read from disk during training: because the config says so, or
        because they do not fit into the memory.
    """

    config: ConfigDict
    views: dict[str, View]
    network: models.Summary
    mesh: Mesh
    steps_per_epoch: int
    steps_per_dispatch: int
    streams: bool
    num_epochs: int
    schedule_start: int = 0

    @property
    def num_examples(self) -> int:
        """The number of training examples; `config.steps_per_epoch` may limit an epoch to fewer."""
        return len(self.views["train"].indices)

    @property
    def global_batch_size(self) -> int:
        """Training examples per step, over all devices."""
        return self.config.global_batch_size

    @property
    def eval_batch_size(self) -> int:
        """Examples per evaluation step, over all devices: those of one part of a training step."""
        part = -(-self.global_batch_size // self.config.optimizer.accumulation_steps)
        return max(part, _MIN_EVAL_BATCH_SIZE)

    @property
    def num_devices(self) -> int:
        """Number of devices, over all processes."""
        return self.mesh.devices.size

    @property
    def in_shares(self) -> bool:
        """True if each device holds only the examples it reads: when streaming or in a group."""
        return self.streams or self.mesh.is_multi_process

    @property
    def data_axis(self) -> int | None:
        """The axis of the data along which the devices' shares lie; None for whole data."""
        return 0 if self.in_shares else None

    def count_images(self, row: int, num_steps: int) -> int:
        """Return the images of an epoch's steps from `row` on; its last batch may be short."""
        images_left = self.num_examples - row * self.global_batch_size
        return min(num_steps * self.global_batch_size, images_left)

    @property
    def schedule_steps_before(self) -> int:
        """Steps before the start of the schedule, counted with the present batch size."""
        return self.schedule_start * self.steps_per_epoch

    def steps_of_epoch(self, position: Position) -> int:
        """Return the steps of a position's epoch; fewer where `config.num_steps` ends within it."""
        num_steps, steps = self.config.num_steps, self.steps_per_epoch
        return min(steps, num_steps - position.first_step) if num_steps else steps

    def position(self, step: int = 0) -> Position:
        """Return the position after a step of a run whose batch size never changed."""
        return Position(step, self.steps_per_epoch)


def refuse_open_batch_size(config: ConfigDict) -> None:
    """Refuse a config whose batch size is still to be found.

    Raises:
      UserError: it is 0.
    """
    if not config.global_batch_size:
        raise UserError(
            "config.global_batch_size = 0: only jaxcnn train finds the size, and for a single run "
            "alone; name one, such as 64"
        )


def usual_batch_size(num_examples: int, most: int = LARGEST_BATCH) -> int:
    """Return the largest power of two up to `most` that leaves an epoch ten steps; 1 at least."""
    return power_of_two(max(1, min(most, num_examples // _FEWEST_STEPS)))


def power_of_two(number: int) -> int:
    """Return the largest power of two up to a number."""
    return 1 << (number.bit_length() - 1)


def resolve(config: ConfigDict, dataset: Dataset) -> Plan:
    """Return the plan of a checked config for a dataset and the available devices.

    Raises:
      Disagreement: the processes of the group have different numbers of devices.
      UserError: the dataset, the network and the devices do not fit each other.
    """
    devices.start(config.deterministic)
    refuse_open_batch_size(config)
    views = views_of(config, dataset)
    num_examples = len(views["train"].indices)
    if config.global_batch_size > num_examples:
        raise UserError(
            f"config.global_batch_size = {config.global_batch_size}: must be at most "
            f"{num_examples}, the number of training examples without those held out; try "
            f"--config.global_batch_size={usual_batch_size(num_examples)}"
        )
    batches = steps_per_epoch(num_examples, config.global_batch_size)
    if config.steps_per_epoch > batches:
        raise UserError(
            f"config.steps_per_epoch = {config.steps_per_epoch}: must be at most {batches}, the "
            "number of batches in an epoch, or 0 for all of them"
        )
    steps = config.steps_per_epoch or batches
    check_num_steps(config, steps)
    network = models.summary(build_model(config, dataset, abstract=True))
    mesh = parallel.make_mesh(config.num_devices or usual_num_devices(network))
    splits = {view.split: dataset.splits[view.split] for view in views.values()}
    streams = config.dataset.streaming or must_stream(splits.values(), mesh)
    return Plan(
        config=config,
        views=views,
        network=network,
        mesh=mesh,
        steps_per_epoch=steps,
        steps_per_dispatch=config.steps_per_dispatch
        or usual_steps_per_dispatch(config, dataset, steps, streams),
        streams=streams,
        num_epochs=-(-config.num_steps // steps) if config.num_steps else config.num_epochs,
    )

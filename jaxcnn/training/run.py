"""From a config to what the loop needs: data on the devices, network, compiled steps, state."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data import feed
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.order import in_batches, shuffled, steps_per_epoch
from jaxcnn.data.pictures import statistics
from jaxcnn.data.scaling import pixel_scaling
from jaxcnn.data.views import View, data_identity, views_of
from jaxcnn.errors import UserError
from jaxcnn.process import devices
from jaxcnn.training import parallel
from jaxcnn.training.determinism import refuse_nondeterministic
from jaxcnn.training.device_defaults import (
    evaluation_options,
    room_for_data,
    usual_num_devices,
    usual_steps_per_dispatch,
)
from jaxcnn.training.recipe import make_hyperparams, make_recipe
from jaxcnn.training.state import TrainState, create_state
from jaxcnn.training.step import make_eval_step, make_train_step, repeat

# the examples and their order, on the devices, and the steps to do with them in one call
Feed = Iterator[tuple[dict[str, jax.Array], jax.Array, int]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, ready to train.

    Attributes:
      config: the checked config.
      dataset: the dataset, on the host.
      views: the examples for "train", "validation", "test".
      mesh: the devices.
      model: the network, for its summary.
      data: the arrays by split, where each device holds them whole; else empty, see `train_feed`.
      train_step, eval_step: compiled for all devices, see `step.py`.
      add_up: evaluation's sums over all devices.
      train_steps: `steps_per_dispatch` training steps in one call.
      steps_per_dispatch: 1 on a CPU, where XLA's convolutions lose their threads in a scan.
      state: before the first step, on the devices.
      steps_per_epoch: training steps of an epoch, as `config.steps_per_epoch` limits them.
    """

    config: ConfigDict
    dataset: Dataset
    views: dict[str, View]
    mesh: Mesh
    model: nnx.Module
    data: dict[str, dict[str, jax.Array]]
    train_step: Callable
    train_steps: Callable
    steps_per_dispatch: int
    eval_step: Callable
    add_up: Callable
    state: TrainState
    steps_per_epoch: int

    @property
    def num_parameters(self) -> int:
        """All of the network's, BatchNorm's running statistics included."""
        leaves = jax.tree.leaves((self.state.params, self.state.batch_stats))
        return sum(leaf.size for leaf in leaves)

    def train_order(self, epoch: int) -> jax.Array:
        """The order of an epoch (0-based), on the devices."""
        return feed.put_order(self._train_order(epoch), self.mesh)

    def train_feed(self, epoch: int, row: int = 0) -> Feed:
        """For each call of a device in an epoch (0-based), from a row of its order on: the
        training examples and their order, on the devices, and how many steps to do.

        In a group of processes each reads, and puts on its devices, its own part alone: the same
        batches, without the rows that other processes compute. Streamed, it is the next rows alone.
        """
        return self._feed("train", self._train_order(epoch), self._portions(row))

    def epoch_numbers(self, epoch: int, first_step: int) -> dict[str, jax.Array]:
        """What the training step must know of an epoch (0-based), on the devices."""
        numbers = {
            "number": epoch,
            "num_examples": len(self.views["train"].indices),
            "global_batch_size": self.config.global_batch_size,
            "first_step": first_step,
            "schedule_shift": epoch * self.steps_per_epoch - first_step,
        }
        return parallel.on_every_device({n: np.int32(v) for n, v in numbers.items()}, self.mesh)

    def eval_feed(self, name: str) -> Feed:
        """As `train_feed`: the examples of a view, one after another."""
        order = self._order(self.views[name].indices, _eval_batch_size(self.config), 1)
        rows = [(row, row + 1) for row in range(order.shape[1])]
        return self._feed(self.views[name].split, order, rows)

    def _portions(self, row: int) -> list[tuple[int, int]]:
        """The rows of an epoch's order that one call after another does."""
        portions, several = [], self.steps_per_dispatch
        while row < self.steps_per_epoch:
            # a portion of several rows begins at a multiple of their number, see `take_batch`
            fits = row % several == 0 and row + several <= self.steps_per_epoch
            portions.append((row, row + (several if fits else 1)))
            row = portions[-1][1]
        return portions

    def _train_order(self, epoch: int) -> np.ndarray:
        view = self.views["train"]
        indices = shuffled(view.indices, seed=self.config.seed, epoch=epoch)
        indices = indices[: self.steps_per_epoch * self.config.global_batch_size]
        parts = self.config.optimizer.accumulation_steps
        return self._order(indices, self.config.global_batch_size, parts)

    def _order(self, indices: np.ndarray, batch_size: int, num_parts: int) -> np.ndarray:
        num_devices = self.mesh.devices.size
        return in_batches(indices, batch_size, num_devices=num_devices, num_parts=num_parts)

    def _feed(self, split: str, order: np.ndarray, portions: Sequence[tuple[int, int]]) -> Feed:
        examples = self.dataset.splits[split]
        if self.config.dataset.streaming:
            from jaxcnn.data.stream import stream

            workers = self.config.dataset.workers
            shares = stream(examples, order, self.mesh, portions=portions, workers=workers)
        elif self.data:
            shares = itertools.repeat((self.data[split], feed.put_order(order, self.mesh)))
        else:
            own = feed.own_part(order, self.mesh)
            share = feed.take_share(examples.images, examples.labels, own)
            shares = itertools.repeat(feed.put_share(share, self.mesh))
        for (start, stop), (data, order) in zip(portions, shares, strict=False):
            yield data, order, stop - start

    def zero_eval_sums(self) -> dict[str, jax.Array]:
        """The sums before the first evaluation step: each device has its own `loss`, `correct`
        and `count`, and `row`, int32, the next row of the order."""
        devices = len(self.mesh.local_devices)
        sums = {name: np.zeros(devices, np.float32) for name in ("loss", "correct", "count")}
        return feed.put_share(sums | {"row": np.zeros(devices, np.int32)}, self.mesh)


def _eval_batch_size(config: ConfigDict) -> int:
    return max(config.global_batch_size, 256)


def make_run(config: ConfigDict, dataset: Dataset) -> Run:
    """Puts the data on the devices, builds the network and its state, prepares the steps.

    Raises:
      UserError: the dataset, the network and the devices don't fit each other.
    """
    devices.start(config.deterministic)
    views = views_of(config, dataset)
    num_examples = len(views["train"].indices)
    if config.global_batch_size > num_examples:
        raise UserError(
            f"config.global_batch_size = {config.global_batch_size}: at most the "
            f"{num_examples} training examples"
        )
    steps = _steps_per_epoch(config, num_examples)
    model = models.build(
        **config.model,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        seed=config.seed,
    )
    mesh = parallel.make_mesh(config.num_devices or usual_num_devices(model))
    recipe, params, batch_stats = make_recipe(config, dataset, model, steps)
    state = create_state(
        params,
        batch_stats,
        recipe.optimizer,
        hyperparams=make_hyperparams(config),
        ema=config.optimizer.ema_decay > 0,
    )
    compiled_for = {"mesh": mesh, "backend": config.parallel}
    train_step = make_train_step(recipe)
    if config.deterministic:
        refuse_nondeterministic(config, train_step, state, dataset.splits["train"])
    num_steps = config.steps_per_dispatch or usual_steps_per_dispatch(config, dataset, steps)
    # streamed or in a group each device holds a share of the data, else each holds them whole
    in_shares = config.dataset.streaming or mesh.is_multi_process
    of_data = 0 if in_shares else None
    data = {} if in_shares else _put_splits(dataset, views, mesh)
    training = {"in_axes": (None, of_data, None, 0), "donate": True} | compiled_for
    return Run(
        config=config,
        dataset=dataset,
        views=views,
        mesh=mesh,
        model=model,
        data=data,
        train_step=parallel.parallelize(train_step, **training),
        train_steps=parallel.parallelize(repeat(train_step, num_steps), **training),
        steps_per_dispatch=num_steps,
        eval_step=parallel.parallelize(
            make_eval_step(recipe),
            mesh=mesh,
            backend="shard_map",
            in_axes=(0, None, None, of_data, 0),
            out_axis=0,
            compiler_options=evaluation_options(model),
        ),
        add_up=parallel.parallelize(
            functools.partial(jax.lax.psum, axis_name=parallel.AXIS), in_axes=(0,), **compiled_for
        ),
        state=parallel.on_every_device(state, mesh),
        steps_per_epoch=steps,
    )


def _steps_per_epoch(config: ConfigDict, num_examples: int) -> int:
    """Return the training steps of an epoch: all its batches, or as many as the config asks for."""
    batches = steps_per_epoch(num_examples, config.global_batch_size)
    if config.steps_per_epoch > batches:
        raise UserError(
            f"config.steps_per_epoch = {config.steps_per_epoch}: at most the {batches} batches of "
            "an epoch, or 0 for all of them"
        )
    return config.steps_per_epoch or batches


def _put_splits(
    dataset: Dataset, views: dict[str, View], mesh: Mesh
) -> dict[str, dict[str, jax.Array]]:
    splits = {view.split: dataset.splits[view.split] for view in views.values()}
    needed, room = sum(split.images.nbytes for split in splits.values()), room_for_data(mesh)
    if needed > room:
        raise UserError(
            f"{dataset.name} has {needed >> 20:,} MiB of images, and there is room for "
            f"{room >> 20:,} MiB: set config.dataset.streaming = True"
        )
    return {name: feed.put_split(split, mesh) for name, split in sorted(splits.items())}


def describe_data(run: Run) -> dict[str, Any]:
    """What a user of the trained network must know of its data, for `dataset.json`."""
    shift, scale = pixel_scaling(run.dataset, run.config.dataset.scaling)
    train = run.views["train"]
    train_images = run.dataset.splits[train.split].images
    return {
        "name": run.dataset.name,
        **data_identity(run.dataset, run.views),
        "pixel_shift": shift.tolist(),  # the network's input is (pixels - shift) * scale
        "pixel_scale": scale.tolist(),
        "reading": run.dataset.conversion,
        "picture_statistics": statistics.describe(train_images, train.indices),
        "steps_per_epoch": run.steps_per_epoch,
    }

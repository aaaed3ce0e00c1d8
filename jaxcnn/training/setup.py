"""From a config to what the loop needs: data on the devices, network, compiled steps, state."""

import dataclasses
import functools
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import devices, models
from jaxcnn.data import feed, statistics
from jaxcnn.data.arrays import Dataset, load_dataset
from jaxcnn.data.augment import make_augment
from jaxcnn.errors import UserError
from jaxcnn.models.airbench import fit_whitening
from jaxcnn.training import parallel
from jaxcnn.training.determinism import refuse_nondeterministic
from jaxcnn.training.optimizers import make_optimizer
from jaxcnn.training.recipe import Recipe
from jaxcnn.training.schedules import make_schedule, scaled_rate
from jaxcnn.training.state import TrainState, create_state, split_model
from jaxcnn.training.step import make_eval_step, make_train_step, repeat

_FEW_FLOPS = 10e6  # forward, an image
_STREAMED_BYTES = 64 << 20  # of images in one call of an accelerator, at most
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")  # Linux: bytes, or "max"

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
    views: dict[str, feed.View]
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
        indices = feed.shuffled(view.indices, seed=self.config.seed, epoch=epoch)
        indices = indices[: self.steps_per_epoch * self.config.global_batch_size]
        parts = self.config.optimizer.accumulation_steps
        return self._order(indices, self.config.global_batch_size, parts)

    def _order(self, indices: np.ndarray, batch_size: int, num_parts: int) -> np.ndarray:
        num_devices = self.mesh.devices.size
        return feed.in_batches(indices, batch_size, num_devices=num_devices, num_parts=num_parts)

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


def load_data(config: ConfigDict) -> Dataset:
    """The dataset of a config, prepared if it was not.

    Raises:
      UserError: it cannot be had, or does not fit what the config asks for.
    """
    dataset = load_dataset(
        config.dataset.name,
        data_dir=config.dataset.data_dir or None,
        label_set=config.dataset.label_set,
        image_size=config.dataset.image_size,
        split=config.dataset.split,
    )
    check_data(config, dataset)
    return dataset


def check_data(config: ConfigDict, dataset: Dataset) -> None:
    """Checks that a dataset fits what a config asks for.

    Raises:
      UserError: it does not.
    """
    if config.validation == "validation" and "validation" not in dataset.splits:
        raise UserError(
            f'config.validation = "validation": {config.dataset.name} has no such split; '
            'allowed is "holdout", "tail" or "test"'
        )
    side = min(dataset.image_shape[:2])
    for name in ("crop", "cutout"):
        if config.augment[name] >= side:
            raise UserError(
                f"config.augment.{name} = {config.augment[name]}: less than the {side} pixels of "
                "an image's side"
            )


def _eval_batch_size(config: ConfigDict) -> int:
    return max(config.global_batch_size, 256)


def make_run(config: ConfigDict, dataset: Dataset) -> Run:
    """Puts the data on the devices, builds the network and its state, prepares the steps.

    Raises:
      UserError: the dataset, the network and the devices don't fit each other.
    """
    devices.start(config.deterministic)
    views = feed.views_of(config, dataset)
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
    mesh = parallel.make_mesh(config.num_devices or _usual_num_devices(model))
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
    num_steps = config.steps_per_dispatch or _usual_steps_per_dispatch(config, dataset, steps)
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
            compiler_options=_evaluation_options(model),
        ),
        add_up=parallel.parallelize(
            functools.partial(jax.lax.psum, axis_name=parallel.AXIS), in_axes=(0,), **compiled_for
        ),
        state=parallel.on_every_device(state, mesh),
        steps_per_epoch=steps,
    )


def _steps_per_epoch(config: ConfigDict, num_examples: int) -> int:
    """Return the training steps of an epoch: all its batches, or as many as the config asks for."""
    batches = feed.steps_per_epoch(num_examples, config.global_batch_size)
    if config.steps_per_epoch > batches:
        raise UserError(
            f"config.steps_per_epoch = {config.steps_per_epoch}: at most the {batches} batches of "
            "an epoch, or 0 for all of them"
        )
    return config.steps_per_epoch or batches


def _usual_num_devices(model: nnx.Module) -> int:
    """One simulated device for a network mostly of dense layers, such as AlexNet, else all (0).

    Each of their parameters is used once an image, so that to exchange gradients costs more than a
    device saves; within one, the cores share each product.
    """
    simulated = jax.default_backend() == "cpu" and jax.process_count() == 1
    network = models.summary(model)
    return int(simulated and network.flops < 4 * network.parameters)


def _evaluation_options(model: nnx.Module) -> dict[str, Any]:
    """XLA's options for evaluation on a CPU: for a small network its own convolutions in place of
    YNNPACK's, which join several in one loop and take up to twice as long."""
    knows_it = jax.__version_info__ < (0, 11)  # an experimental option may change
    is_small = models.summary(model).flops < _FEW_FLOPS
    if jax.default_backend() != "cpu" or not is_small or not knows_it:
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def _usual_steps_per_dispatch(config: ConfigDict, dataset: Dataset, steps_per_epoch: int) -> int:
    """On an accelerator the largest number up to 64 that divides an epoch, or 32 with some single
    steps at its end where that is small. Streamed, no more than 64 MiB of images."""
    if jax.default_backend() == "cpu":
        return 1
    most = 64
    if config.dataset.streaming:
        batch_bytes = config.global_batch_size * math.prod(dataset.image_shape)
        most = min(most, max(1, _STREAMED_BYTES // batch_bytes))
    largest = max(n for n in range(1, most + 1) if steps_per_epoch % n == 0)
    return largest if largest >= most // 4 else min(max(1, most // 2), steps_per_epoch)


def _put_splits(
    dataset: Dataset, views: dict[str, feed.View], mesh: Mesh
) -> dict[str, dict[str, jax.Array]]:
    splits = {view.split: dataset.splits[view.split] for view in views.values()}
    needed, room = sum(split.images.nbytes for split in splits.values()), _room_for_data(mesh)
    if needed > room:
        raise UserError(
            f"{dataset.name} has {needed >> 20:,} MiB of images, and there is room for "
            f"{room >> 20:,} MiB: set config.dataset.streaming = True"
        )
    return {name: feed.put_split(split, mesh) for name, split in sorted(splits.items())}


def _room_for_data(mesh: Mesh) -> int:
    """Bytes of data that a device may hold: two thirds of its memory; simulated ones share the
    machine's, or the container's."""
    device = mesh.devices.flat[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] * 2 // 3
    if device.platform != "cpu":
        return sys.maxsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER_MEMORY.read_text().strip() if _CONTAINER_MEMORY.exists() else "max"
    if limit != "max":
        memory = min(memory, int(limit))
    return memory * 2 // 3 // mesh.devices.size


def make_hyperparams(config: ConfigDict) -> dict[str, np.ndarray]:
    """The config's numbers that are arrays in the state."""
    return {
        "learning_rate": np.float32(scaled_rate(config.optimizer, config.global_batch_size)),
        "label_smoothing": np.float32(config.loss.label_smoothing),
        "seed": np.int32(config.seed),
    }


def make_recipe(
    config: ConfigDict, dataset: Dataset, model: nnx.Module, steps: int
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """The recipe of the steps, and the network's parameters and batch statistics."""
    train_graph, eval_graph, params, batch_stats = split_model(model)
    shift, scale = pixel_scaling(dataset, config.dataset.scaling)
    recipe = Recipe(
        train_graph=train_graph,
        eval_graph=eval_graph,
        optimizer=make_optimizer(config.optimizer, config.global_batch_size),
        schedule=make_schedule(
            config.schedule,
            learning_rate=scaled_rate(config.optimizer, config.global_batch_size),
            steps_per_epoch=steps,
            num_epochs=config.num_epochs,
        ),
        augment=make_augment(config.augment, seed=config.seed, fill=dataset.pixel_mean),
        pixel_shift=shift,
        pixel_scale=scale,
        num_classes=dataset.num_classes,
        heads=config.loss.heads,
        l2=config.loss.l2,
        ema_decay=config.optimizer.ema_decay,
        accumulation_steps=config.optimizer.accumulation_steps,
        global_batch_norm=config.batch_norm == "global",
        dtype=jnp.dtype(config.precision),
        skip_bad_steps=config.optimizer.skip_bad_steps,
    )
    train_images = dataset.splits["train"].images
    return recipe, params, fit_whitening(batch_stats, train_images, recipe.scale)


def describe_data(run: Run) -> dict[str, Any]:
    """What a user of the trained network must know of its data, for `dataset.json`."""
    shift, scale = pixel_scaling(run.dataset, run.config.dataset.scaling)
    train = run.views["train"]
    train_images = run.dataset.splits[train.split].images
    return {
        "name": run.dataset.name,
        **feed.data_identity(run.dataset, run.views),
        "pixel_shift": shift.tolist(),  # the network's input is (pixels - shift) * scale
        "pixel_scale": scale.tolist(),
        "reading": run.dataset.reading,
        "picture_statistics": statistics.describe(train_images, train.indices),
        "steps_per_epoch": run.steps_per_epoch,
    }


def pixel_scaling(dataset: Dataset, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """(shift, scale), float32, so that the network's input is (pixels − shift) · scale.

    "none": 0…255; "unit": 0…1; "centered": −1…1; "zscore": by one mean and deviation of the
    training images; "zscore_per_channel": by each channel's. What does not vary is scaled by 1:
    an epsilon alone would multiply the noise of other pictures, of JPEG say, by 10⁷.
    """
    mean, std = {
        "none": (0.0, 1.0),
        "unit": (0.0, 255.0),
        "centered": (127.5, 127.5),
        "zscore": (dataset.scalar_mean, _divisor(dataset.scalar_std)),
        "zscore_per_channel": (dataset.pixel_mean, _divisor(dataset.pixel_std)),
    }[scaling]
    return np.float32(mean), np.float32(1.0 / np.asarray(std))


def faint_channels(dataset: Dataset, scaling: str) -> list[str]:
    """A line on each channel whose small deviations "zscore_per_channel" makes large."""
    if scaling != "zscore_per_channel":
        return []
    return [
        f"channel {channel} of the pictures hardly varies (standard deviation {std:.2g} of 255): "
        f"zscore_per_channel multiplies it by {1 / std:.3g}, and so the noise of other pictures; "
        "dataset.scaling = zscore does not"
        for channel, std in enumerate(dataset.pixel_std.tolist())
        if 0 < std < 1
    ]


def _divisor(std: float | np.ndarray) -> np.ndarray:
    return np.where(np.asarray(std) > 0, std + 1e-7, 1.0)

"""A run, ready to train: data on the devices, network, compiled steps and initial state."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from jaxcnn.data import feed
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.order import Order, in_batches, make_order
from jaxcnn.data.pictures import statistics
from jaxcnn.data.scaling import pixel_scaling
from jaxcnn.data.views import data_identity
from jaxcnn.nn.network import Network
from jaxcnn.training import parallel
from jaxcnn.training.determinism import refuse_nondeterministic
from jaxcnn.training.plan import Plan, resolve
from jaxcnn.training.programs import make_programs
from jaxcnn.training.recipe import Recipe, build_model, make_hyperparams, make_recipe
from jaxcnn.training.resident_data import put_splits
from jaxcnn.training.state import TrainState, create_state
from jaxcnn.training.step import make_train_step
from jaxcnn.training.timing import Clock
from jaxcnn.workdir.position import Position

# the examples and their order, on the devices, and the number of steps in one call
Feed = Iterator[tuple[dict[str, jax.Array], jax.Array, int]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, ready to train.

    Attributes:
      plan: the resolved config.
      dataset: the dataset, on the host.
      model: the network, initialized.
      data: `images` and `labels` by split, whole on every device; empty if `plan.in_shares`.
      train_step: one training step, compiled for all devices, see `make_train_step`.
      train_steps: `plan.steps_per_dispatch` training steps in one call.
      eval_step: one evaluation step, compiled for all devices, see `make_eval_step`.
      add_up: adds the sums of an evaluation over all devices.
      optimizer: makes the optimizer's state.
      state: the state before the first step, on the devices.
      watch: takes the feed of a training and yields the same; `Profiler` traces the steps between.
      watch_program: takes a training step and returns one that computes the same.
    """

    plan: Plan
    dataset: Dataset
    model: Network
    data: dict[str, dict[str, jax.Array]]
    train_step: Callable
    train_steps: Callable
    eval_step: Callable
    add_up: Callable
    optimizer: optax.GradientTransformation
    state: TrainState
    watch: Callable[[Feed, Position, Clock], Feed] | None = None
    watch_program: Callable[[Callable], Callable] | None = None

    def with_programs(self, programs: dict[str, Callable]) -> "Run":
        """Return the run with other programs, see `make_programs`; they are watched as well."""
        if self.watch_program:
            steps = ("train_step", "train_steps")
            programs = programs | {name: self.watch_program(programs[name]) for name in steps}
        return dataclasses.replace(self, **programs)

    def train_order(self, epoch: int) -> jax.Array:
        """Return the order of an epoch (0-based), on the devices; see `train_order_on_host`."""
        return feed.put_order(self.train_order_on_host(epoch), self.plan.mesh)

    def train_order_on_host(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch (0-based).

        Returns:
          int32 (devices, steps, device_batch), see `order.in_batches`.
        """
        num_examples = self.plan.steps_per_epoch * self.plan.global_batch_size
        indices = self._examples_of(epoch)[:num_examples]
        parts = self.plan.config.optimizer.accumulation_steps
        return self._order(indices, self.plan.global_batch_size, parts)

    @functools.cached_property
    def _examples_of(self) -> Order:
        """The function that gives the examples of an epoch, see `make_order`."""
        config, view = self.plan.config, self.plan.views["train"]
        labels = self.dataset.splits[view.split].labels
        sampling = config.dataset.sampling
        return make_order(view.indices, labels, seed=config.seed, sampling=sampling)

    def train_feed(self, position: Position, clock: Clock | None = None) -> Feed:
        """Yield the arguments of each call of the devices, from a position to its epoch's end.

        Each process of a group reads its own part of each batch, and puts it on its devices.

        Args:
          position: of the first call.
          clock: times the calls of a training, the only ones to be watched.

        Yields:
          The training examples and their order, on the devices, and the number of steps in the
          call. A streaming run yields the examples of one call only.
        """
        order = self.train_order_on_host(position.epoch)
        calls = self._feed("train", order, self.portions(position))
        return self.watch(calls, position, clock) if self.watch and clock else calls

    def epoch_numbers(self, position: Position, rate_factor: float = 1.0) -> dict[str, jax.Array]:
        """Return the numbers of an epoch that the training step needs, on the devices.

        Args:
          position: in the epoch.
          rate_factor: of the learning rate in this epoch, beside the schedule's.

        Returns:
          float32 () `rate_factor`, and int32 () for the others, see `make_train_step`.
        """
        numbers = {
            "number": position.epoch,
            "num_examples": self.plan.num_examples,
            "global_batch_size": self.plan.global_batch_size,
            "first_step": position.first_step,
            "schedule_shift": position.schedule_shift - self.plan.schedule_steps_before,
        }
        on_host: dict[str, np.number] = {name: np.int32(n) for name, n in numbers.items()}
        on_host["rate_factor"] = np.float32(rate_factor)
        return parallel.on_every_device(on_host, self.plan.mesh)

    def eval_feed(self, name: str) -> Feed:
        """Yield the arguments of each evaluation step of a view, like `train_feed`."""
        order = self.eval_order_on_host(name)
        rows = [(row, row + 1) for row in range(order.shape[1])]
        return self._feed(self.plan.views[name].split, order, rows)

    def eval_order_on_host(self, name: str) -> np.ndarray:
        """Return the order in which a view is evaluated, like `train_order_on_host`."""
        return self._order(self.plan.views[name].indices, self.plan.eval_batch_size, 1)

    def zero_eval_sums(self) -> dict[str, jax.Array]:
        """Return the sums before the first evaluation step.

        Returns:
          `loss`, `correct` and `count`, float32 (devices,), and `row`, int32 (devices,), the next
          row of the order; each device has its own entry.
        """
        devices = len(self.plan.mesh.local_devices)
        sums = {name: np.zeros(devices, np.float32) for name in ("loss", "correct", "count")}
        return feed.put_share(sums | {"row": np.zeros(devices, np.int32)}, self.plan.mesh)

    def portions(self, position: Position) -> list[tuple[int, int]]:
        """Return the rows (start, stop) of an epoch's order for each call, from a position on."""
        portions, num_steps, row = [], self.plan.steps_per_dispatch, position.row
        end = self.plan.steps_of_epoch(position)
        while row < end:
            # `take_batch` needs portions of several rows to start at a multiple of their number
            fits = row % num_steps == 0 and row + num_steps <= end
            portions.append((row, row + (num_steps if fits else 1)))
            row = portions[-1][1]
        return portions

    def _order(self, indices: np.ndarray, batch_size: int, num_parts: int) -> np.ndarray:
        devices = self.plan.num_devices
        return in_batches(indices, batch_size, num_devices=devices, num_parts=num_parts)

    def _feed(self, split: str, order: np.ndarray, portions: Sequence[tuple[int, int]]) -> Feed:
        examples, mesh = self.dataset.splits[split], self.plan.mesh
        settings = self.plan.config.dataset
        if self.plan.streams:
            from jaxcnn.data.stream import stream

            shares = stream(examples, order, mesh, portions=portions, workers=settings.workers)
        elif self.data:
            shares = itertools.repeat((self.data[split], feed.put_order(order, mesh)))
        else:
            part = feed.own_part(order, mesh)
            share = feed.take_share(examples.images, examples.labels, part)
            shares = itertools.repeat(feed.put_share(share, mesh))
        for (start, stop), (data, rows) in zip(portions, shares, strict=False):
            yield data, rows, stop - start


def make_run(
    config: ConfigDict, dataset: Dataset, data: dict[str, dict[str, jax.Array]] | None = None
) -> Run:
    """Return a run: put the data on the devices, build the network, prepare the steps.

    The steps are compiled at their first call.

    Args:
      config: the checked config.
      dataset: the dataset, on the host.
      data: of another run with this dataset and these devices; None to put them there.

    Raises:
      Disagreement: the processes of the group have different numbers of devices.
      UserError: the dataset, the network and the devices do not fit each other.
    """
    plan = resolve(config, dataset)
    model, recipe, state = prepare(config, dataset, plan.steps_per_epoch)
    if config.deterministic:
        split = dataset.splits["train"]
        refuse_nondeterministic(config, make_train_step(recipe), state, split)
    add_up = functools.partial(jax.lax.psum, axis_name=parallel.AXIS)
    return Run(
        plan=plan,
        dataset=dataset,
        model=model,
        data={} if plan.in_shares else data or put_splits(dataset, plan),
        **make_programs(plan, recipe),
        add_up=parallel.parallelize(add_up, mesh=plan.mesh, backend=config.parallel, in_axes=(0,)),
        optimizer=recipe.optimizer,
        state=parallel.on_every_device(state, plan.mesh),
    )


def prepare(
    config: ConfigDict, dataset: Dataset, steps_per_epoch: int
) -> tuple[Network, Recipe, TrainState]:
    """Return a run's network, its recipe, and its state before the first step.

    Args:
      config: the checked config.
      dataset: the dataset, on the host.
      steps_per_epoch: training steps of an epoch.

    Raises:
      UserError: the network does not take images of this size, or a part of the user's is wrong.
    """
    model = build_model(config, dataset, seed=config.seed)
    recipe, params, batch_stats = make_recipe(config, dataset, model, steps_per_epoch)
    state = create_state(
        params,
        batch_stats,
        recipe.optimizer,
        hyperparams=make_hyperparams(config),
        ema=config.optimizer.ema_decay > 0,
    )
    return model, recipe, state


def describe_data(run: Run) -> dict[str, Any]:
    """Return the content of `dataset.json`: the data's identity, scaling and statistics."""
    shift, scale = pixel_scaling(run.dataset, run.plan.config.dataset.scaling)
    train = run.plan.views["train"]
    train_images = run.dataset.splits[train.split].images
    origin = {"from_python": True} if run.dataset.is_of_arrays else {}
    return {
        "name": run.dataset.name,
        **origin,
        **data_identity(run.dataset, run.plan.views),
        "pixel_shift": shift.tolist(),  # the network's input is (pixels - shift) * scale
        "pixel_scale": scale.tolist(),
        "reading": run.dataset.conversion,
        "picture_statistics": statistics.describe(train_images, train.indices),
        "steps_per_epoch": run.plan.steps_per_epoch,
    }

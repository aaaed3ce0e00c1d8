"""A whole run as one compiled program that shuffles, augments and trains on the device.

The steps are those of the training loop (`step.py`). The host starts the program and waits for its
end: there is no validation, no checkpoint and no early stopping. The seed is an argument of the
program, so that it is compiled once for all seeds.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn.config.defaults import default_config, flatten
from jaxcnn.data import feed
from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.nn.network import Network, split_model
from jaxcnn.process import devices
from jaxcnn.training import parallel
from jaxcnn.training.plan import refuse_open_batch_size
from jaxcnn.training.recipe import (
    Recipe,
    augmentation_of,
    build_model,
    check_num_steps,
    make_hyperparams,
    make_recipe,
    total_steps,
)
from jaxcnn.training.state import TrainState, create_state
from jaxcnn.training.step import make_train_step, repeat
from jaxcnn.training.test_time_augmentation import make_score

_ONLY_IN_THE_LOOP = (
    "dataset.fraction", "dataset.sampling", "phases", "max_minutes", "early_stopping.patience"
)  # fmt: skip
_NEEDS_VALIDATION = 'config.schedule.name = "plateau": a speedrun has no validation; choose another'
_ORDER = zlib.crc32(b"order")  # keeps the keys of the order apart from those of the steps


@dataclasses.dataclass(frozen=True)
class CompiledRun:
    """The compiled programs of a run, and its data on the devices.

    Attributes:
      config: the checked config.
      dataset: the dataset, on the host.
      recipe: the recipe of the steps.
      mesh: the devices.
      train_data, test_data: `images` uint8 (examples, height, width, channels) and `labels`, whole
        on every device.
      train: `(state, train_data) -> (state, sums)`. The results use the memory of the first
        argument. `sums` are those of the training steps, with an axis for the epochs.
      train_several: `train` for states with a first axis for the seeds.
      score: `(params, batch_stats, test_data) -> {"accuracy": …, "tta_accuracy": …}`.
    """

    config: ConfigDict
    dataset: Dataset
    recipe: Recipe
    mesh: Mesh
    train_data: dict[str, jax.Array]
    test_data: dict[str, jax.Array]
    train: Callable
    train_several: Callable
    score: Callable

    def first_state(self, seed: int) -> TrainState:
        """Return the state before the first step, on the devices.

        The seed determines the initial parameters, the order, the augmentation and dropout.
        """
        model = build_model(self.config, self.dataset, seed=seed)
        _, _, params, batch_stats = split_model(model)
        state = create_state(
            params,
            batch_stats,
            self.recipe.optimizer,
            hyperparams=make_hyperparams(self.config) | {"seed": np.int32(seed)},
            ema=self.config.optimizer.ema_decay > 0,
        )
        return parallel.on_every_device(state, self.mesh)

    def first_states(self, seeds: list[int]) -> TrainState:
        """Return the first states of several seeds as one, with a first axis for the seeds."""
        states = [jax.device_get(self.first_state(seed)) for seed in seeds]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
        return parallel.on_every_device(stacked, self.mesh)

    def scores(self, state: TrainState) -> dict[str, float]:
        """Return `accuracy` and `tta_accuracy` (test-time augmentation) on the test split.

        Both are fractions.
        """
        scores = self.score(state.evaluated_params, state.batch_stats, self.test_data)
        return {name: float(value) for name, value in scores.items()}


def make_compiled_run(config: ConfigDict, dataset: Dataset) -> CompiledRun:
    """Return a compiled run: put the data on the devices, and prepare the programs.

    The programs are compiled at their first call.

    Raises:
      UserError: the config has a setting that only the training loop supports, the batch is larger
        than the training split, or devices times accumulation steps do not divide it.
    """
    devices.start(config.deterministic)
    mesh = parallel.make_mesh(config.num_devices)
    _check_supported(config, dataset, mesh)
    config = config.copy_and_resolve_references()
    config.validation = "test"  # nothing is held out: balanced class weights count all examples
    steps = len(dataset.splits["train"].labels) // config.global_batch_size
    model = build_model(config, dataset, seed=config.seed)
    recipe, _, _ = make_recipe(config, dataset, model, steps)
    train = _make_train(config, dataset, model, recipe, steps)
    # pmap would copy the data at each call
    compiled = functools.partial(
        parallel.parallelize, mesh=mesh, backend="shard_map", in_axes=(None, None), donate=True
    )
    return CompiledRun(
        config=config,
        dataset=dataset,
        recipe=recipe,
        mesh=mesh,
        train_data=feed.put_split(dataset.splits["train"], mesh),
        test_data=feed.put_split(dataset.splits["test"], mesh),
        train=compiled(train),
        train_several=compiled(jax.vmap(train, in_axes=(0, None))),
        score=jax.jit(
            make_score(recipe, batch_size=config.global_batch_size, views=config.test_views)
        ),
    )


def _check_supported(config: ConfigDict, dataset: Dataset, mesh: Mesh) -> None:
    refuse_open_batch_size(config)
    num_examples = len(dataset.splits["train"].labels)
    divisor = mesh.size * config.optimizer.accumulation_steps
    if config.global_batch_size > num_examples or config.global_batch_size % divisor:
        raise UserError(
            f"config.global_batch_size = {config.global_batch_size}: allowed is a multiple of the "
            f"number of devices times optimizer.accumulation_steps, {divisor}, up to the "
            f"{num_examples} training images"
        )
    if config.schedule.name == "plateau":
        raise UserError(_NEEDS_VALIDATION)
    check_num_steps(config, num_examples // config.global_batch_size)
    if config.init_from:
        raise UserError("config.init_from: a speedrun starts from random weights; leave it empty")
    fields, defaults = flatten(config), flatten(default_config())
    whole_batches = (0, num_examples // config.global_batch_size)  # an incomplete one is left out
    if config.steps_per_epoch not in whole_batches:
        raise UserError(
            f"config.steps_per_epoch = {config.steps_per_epoch}: a speedrun trains on all whole "
            f"batches of an epoch; set it to {whole_batches[1]} or 0"
        )
    for name in _ONLY_IN_THE_LOOP:
        if fields[name] != defaults[name]:
            raise UserError(
                f"config.{name} = {fields[name]}: a speedrun does not support it; leave it "
                f"{defaults[name]}"
            )


def _make_train(
    config: ConfigDict, dataset: Dataset, model: Network, recipe: Recipe, steps: int
) -> Callable:
    """Return the program of one device for a run: `(state, data) -> (state, sums)`."""
    num_examples = steps * config.global_batch_size  # an epoch leaves out an incomplete batch
    whole_epochs, last_steps = divmod(total_steps(config, steps), steps)

    def train(state: TrainState, data: dict[str, jax.Array]) -> tuple[TrainState, Any]:
        seed = state.hyperparams["seed"]
        augment = augmentation_of(config, dataset, seed)
        step = make_train_step(dataclasses.replace(recipe, augment=augment))
        order_key = jax.random.fold_in(jax.random.key(seed), _ORDER)

        def epoch(
            state: TrainState, number: jax.Array, num_steps: int = steps
        ) -> tuple[TrainState, Any]:
            key = jax.random.fold_in(order_key, number)
            order = jax.random.permutation(key, len(data["labels"]))[:num_examples]
            numbers = {
                "number": number,
                "num_examples": num_examples,
                "global_batch_size": config.global_batch_size,
                "first_step": number * steps,
                "schedule_shift": 0,
                "rate_factor": 1.0,
            }
            return repeat(step, num_steps)(state, data, numbers, _part_of_device(order, steps))

        batch_stats = model.fit(state.batch_stats, data["images"], recipe.scale)
        state = state.replace(batch_stats=batch_stats)
        state, sums = jax.lax.scan(epoch, state, jnp.arange(whole_epochs))
        if last_steps:
            state, of_part = epoch(state, jnp.int32(whole_epochs), last_steps)
            sums = jax.tree.map(jnp.append, sums, of_part)
        return state, sums

    return train


def _part_of_device(order: jax.Array, steps: int) -> jax.Array:
    """Return this device's part of each batch of an order.

    Args:
      order: integers (steps * global_batch_size,).
      steps: batches in the order.

    Returns:
      int32 (steps, device_batch).
    """
    parts = order.astype(jnp.int32).reshape(steps, jax.lax.axis_size(parallel.AXIS), -1)
    device = jax.lax.axis_index(parallel.AXIS)
    return jax.lax.dynamic_index_in_dim(parts, device, axis=1, keepdims=False)

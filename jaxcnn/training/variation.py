"""The fields in which the members of a population may differ, and their values as arrays.

One compiled step serves all members, because the values that differ are no constants in it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.optim.optimizers import OPTIMIZERS
from jaxcnn.training.recipe import Recipe, augmentation_of
from jaxcnn.training.state import TrainState
from jaxcnn.training.step import Batch, make_eval_step, make_train_step

_IN_STATE = (
    "seed", "loss.label_smoothing", "optimizer.learning_rate", "optimizer.momentum",
    "optimizer.b1", "optimizer.b2", "optimizer.weight_decay",
)  # fmt: skip
_ON_HOST = ("early_stopping.patience", "early_stopping.min_delta")
_SCHEDULE = (
    "schedule.warmup_epochs", "schedule.decay_rate", "schedule.decay_epochs",
    "schedule.decay_steps", "schedule.factor", "schedule.final_fraction", "schedule.power",
    "schedule.restart_epochs", "schedule.restart_growth", "schedule.patience",
    "schedule.min_delta", "schedule.cooldown", "schedule.min_rate",
)  # fmt: skip
FIELDS = (*_IN_STATE, "loss.l2", *_SCHEDULE, *_ON_HOST)
_FOLD = "fold"  # of a cross-validation; no sweep varies it
_OF_EVERY_OPTIMIZER = ("seed", "loss.label_smoothing", "loss.l2", *_SCHEDULE, *_ON_HOST)
# schedules whose factors depend on the rate
_RATE_SCHEDULES = ("inverse_time_rounded",)
# optimizers that compute with settings outside their state
_FIXED_OPTIMIZERS = ("airbench", "airbench2025")
_SUPPORTED = {
    "phases": ((),), "dataset.streaming": (False,), "max_minutes": (0.0,),
    "batch_norm": ("global",),
    "best_metric": ("accuracy", "loss"), "early_stopping.metric": ("loss", "accuracy"),
}  # fmt: skip


def check_population(configs: Sequence[ConfigDict], *, are_folds: bool = False) -> None:
    """Check that one compiled step can train the configs.

    Args:
      configs: of the members.
      are_folds: whether they are those of a cross-validation, which differ in `fold`.

    Raises:
      UserError: they differ in a field that is a constant of the step, or have a setting that a
        population does not support.
    """
    config = configs[0]
    leaves = flatten(config)
    for name, values in _SUPPORTED.items():
        if leaves[name] not in values:
            supported = " and ".join(map(repr, values))
            raise UserError(
                f"config.{name} = {leaves[name]}: a population supports {supported} alone; train "
                "the configs one by one"
            )
    allowed = fields_of(config)
    for name in sorted(differing_fields(configs) - ({_FOLD} if are_folds else set())):
        if name not in allowed:
            reason = f" with optimizer.name = {config.optimizer.name}" * (name in FIELDS)
            raise UserError(
                f"{name}: cannot differ between the members of a population{reason}; these can: "
                f"{', '.join(allowed)}"
            )


def fields_of(config: ConfigDict) -> Sequence[str]:
    """Return the fields in which members with a config's optimizer may differ."""
    return _OF_EVERY_OPTIMIZER if _has_fixed_optimizer(config) else FIELDS


def _has_fixed_optimizer(config: ConfigDict) -> bool:
    return config.optimizer.name in (*_FIXED_OPTIMIZERS, *OPTIMIZERS.parts)


def program_of(config: ConfigDict) -> str:
    """Return a text that is the same for all configs that one compiled step can train."""
    fields = fields_of(config)
    return repr(sorted((n, v) for n, v in flatten(config).items() if n not in fields))


def split_by_program(configs: Sequence[ConfigDict]) -> list[list[int]]:
    """Return the positions of the configs, in groups that one compiled step each can train."""
    groups: dict[str, list[int]] = {}
    for position, config in enumerate(configs):
        groups.setdefault(program_of(config), []).append(position)
    return list(groups.values())


def differing_fields(configs: Sequence[ConfigDict]) -> set[str]:
    """Return the dotted names of the fields in which configs differ."""
    first, *others = map(flatten, configs)
    names = first.keys() | {name for leaves in others for name in leaves}
    return {n for n in names if any(leaves.get(n) != first.get(n) for leaves in others)}


@dataclasses.dataclass(frozen=True)
class Variation:
    """The parts of a recipe that differ between members and are not in the training state.

    Attributes:
      config: the config of one member.
      dataset: the dataset of all members.
      recipe: the recipe of the same member.
      fields: the names of the fields that differ.
    """

    config: ConfigDict
    dataset: Dataset
    recipe: Recipe
    fields: frozenset[str]

    @property
    def _has_own_schedules(self) -> bool:
        by_rate = self.config.schedule.name in _RATE_SCHEDULES
        rate = {"optimizer.learning_rate"} if by_rate else set()
        return not self.fields.isdisjoint(rate.union(_SCHEDULE))

    def values(self, recipe: Recipe, num_steps: int) -> dict[str, jax.Array]:
        """Return a member's values where they differ.

        They are `l2` (), `class_weights` (num_classes,) and `schedule` (num_steps,).

        Args:
          recipe: the member's.
          num_steps: training steps of the whole run.
        """
        values = {}
        if "loss.l2" in self.fields:
            values["l2"] = jnp.asarray(recipe.l2, float)
        if _FOLD in self.fields and self.config.loss.class_weighting == "balanced":
            values["class_weights"] = jnp.asarray(recipe.class_weights)
        if self._has_own_schedules:
            steps = jnp.arange(num_steps, dtype=jnp.int32)
            factors = jax.jit(jax.vmap(recipe.schedule))(steps)
            values["schedule"] = jnp.broadcast_to(factors, steps.shape)
        return values

    def train_step(self) -> Callable:
        """Return `step(state, values, data, epoch, order)`; see `make_train_step`."""

        def step(state: TrainState, values: dict, data: Batch, epoch: dict, order: jax.Array):
            recipe = self._recipe(values)
            if "seed" in self.fields and recipe.augment is not None:
                seed = state.hyperparams["seed"]
                augment = augmentation_of(self.config, self.dataset, seed)
                recipe = dataclasses.replace(recipe, augment=augment)
            return make_train_step(recipe)(state, data, epoch, order)

        return step

    def eval_step(self) -> Callable:
        """Return `step(sums, values, params, batch_stats, data, order)`; see `make_eval_step`."""

        def step(sums: dict, values: dict, *arguments: Any) -> dict:
            return make_eval_step(self._recipe(values))(sums, *arguments)

        return step

    def _recipe(self, values: dict[str, jax.Array]) -> Recipe:
        """Return the recipe with a member's values."""
        recipe = self.recipe
        if "l2" in values:
            recipe = dataclasses.replace(recipe, l2=values["l2"])
        if "class_weights" in values:
            recipe = dataclasses.replace(recipe, class_weights=values["class_weights"])
        if "schedule" in values:
            recipe = dataclasses.replace(recipe, schedule=lambda step: values["schedule"][step])
        return recipe

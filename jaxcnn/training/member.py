"""A member of a population: a run whose steps and evaluations are computed with the others'."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.order import steps_per_epoch
from jaxcnn.data.views import View, views_of
from jaxcnn.errors import Diverged, Stopped, UserError
from jaxcnn.optim.plateau import Plateau
from jaxcnn.training import parallel
from jaxcnn.training.loop import Loop
from jaxcnn.training.plan import Plan, resolve
from jaxcnn.training.programs import compile_evaluation
from jaxcnn.training.recipe import check_num_steps, total_steps
from jaxcnn.training.run import Run, describe_data, make_run, prepare
from jaxcnn.training.state import TrainState
from jaxcnn.training.timing import Clock
from jaxcnn.training.trial import try_parts
from jaxcnn.training.variation import Variation, check_population, differing_fields
from jaxcnn.workdir.schemas import Row


class Member(Loop):
    """The training of a member, in its own folder; a `Population` computes its steps.

    Attributes:
      values: its settings that are not in the state, see `Variation.values`.
      scores: `loss` and `accuracy` of the state by view, from the population.
      failure: the line of the error that ended the member, "" for none.
      template: the parts that it shares with others.
    """

    template: "Template"
    values: dict[str, jax.Array] = {}
    scores: dict[str, dict[str, float]] = {}
    failure: str = ""

    @property
    def is_training(self) -> bool:
        """True while the member has steps left."""
        return not self.failure and not self.ended

    def has_epochs_left(self, num_epochs: float) -> bool:
        """Return whether the member trains on until it has finished some epochs."""
        return self.is_training and self.position.epoch < num_epochs

    def is_save_due(self, step: int) -> bool:
        """Return whether `checkpoint.every_steps` or `every_minutes` asks for a save at a step.

        At the end of an epoch, `finish_epoch` decides it.
        """
        minutes, saved_at = self.config.checkpoint.every_minutes, self.saving.saved_at
        is_due = self.saving.is_due(step) or self.time.exceeds(minutes, saved_at)
        return is_due and not self.failure and dataclasses.replace(self.position, step=step).row > 0

    def limit_to_save(self, num_steps: int) -> tuple[int, float]:
        """Return the steps and the seconds after which a save is due, at most `num_steps`."""
        start, minutes = self.position.step, self.config.checkpoint.every_minutes
        is_due = self.saving.is_due
        due = next((n for n in range(1, num_steps) if is_due(start + n)), num_steps)
        left = self.saving.saved_at + 60 * minutes - self.time.seconds
        return due, max(left, 0.0) if minutes else math.inf

    def epoch_numbers(self) -> dict[str, Any]:
        """Return the numbers of the epoch, see `Run.epoch_numbers`, on the host."""
        factor = Plateau(**self.progress.plateau).factor
        return jax.device_get(self.run.epoch_numbers(self.position, factor))

    def epoch_order(self) -> np.ndarray:
        """Return the examples of the epoch's steps, int32 (steps, batch)."""
        return self.run.train_order_on_host(self.position.epoch)[0]

    def eval_orders(self) -> dict[str, np.ndarray]:
        """Return the examples of the epoch's evaluation, int32 (steps, batch) of each view."""
        views = ["validation", *(["train"] if self.config.evaluate_train else [])]
        return {view: self.run.eval_order_on_host(view)[0] for view in views}

    def save_within_epoch(self, state: TrainState, step: int) -> None:
        """Take the state after a step within an epoch, and save it if it has not diverged."""
        with self._failing():
            self._take(state, step)
            self._means(state.sums)
            self.saving.save(state, self.position, None)

    def take_steps(
        self, state: TrainState, step: int, clock: Clock, scores: dict[str, dict[str, float]]
    ) -> None:
        """Take the state after a step; with the scores of the state, end the epoch there.

        Args:
          state: the state, on the member's device.
          step: the finished steps of the state.
          clock: the member's share of the epoch's time.
          scores: `loss` and `accuracy` by view; {} where the population stops within an epoch.
        """
        if self.failure:
            return
        epoch, self.scores = self.position.epoch, scores
        self._take(state, step)
        if not scores:
            return
        with self._failing():
            row = self._train_row(state.sums, clock)
            self._count_epoch(state.sums, clock)
            if self.position.epoch > epoch:
                self.finish_epoch(row)
            else:
                self.finish_part(row)

    def finish_part(self, train: Row) -> None:
        """Evaluate the part of an epoch in which the member ended, then save.

        Its validation ranks it, so weights whose loss is not finite must not be saved as its end.
        """
        self._evaluate_part(train)
        self.saving.save_if_new(self.state, self.position)

    def _take(self, state: TrainState, step: int) -> None:
        self.state = state
        self.position = dataclasses.replace(self.position, step=step)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Let a divergence in the block end this member alone."""
        try:
            yield
        except Diverged as error:
            self.failure = str(error)

    def save_to_stop(self) -> None:
        """Save the state where the population stops."""
        with self._failing(), contextlib.suppress(Stopped):
            self.stop(self.state.sums)

    def _scores(self, view: str) -> dict[str, float]:
        return self.scores[view]


@dataclasses.dataclass(frozen=True)
class MemberRun:
    """A member, ready to train.

    Attributes:
      run: the run; its data are those of all members.
      values: see `Variation.values`.
      template: the parts that it shares with others.
    """

    run: Run
    values: dict[str, jax.Array]
    template: "Template"


@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """The parts that members of one compiled step share: data, plan and compiled evaluation.

    Attributes:
      run: of one of the configs, ready to train.
      variation: how the members differ.
    """

    run: Run
    variation: Variation

    @functools.cached_property
    def description(self) -> dict[str, Any]:
        """The content of `dataset.json` of members whose data are those of the template's run."""
        return describe_data(self.run)

    def member_run(self, config: ConfigDict) -> MemberRun:
        """Return a member, ready to train.

        Raises:
          UserError: the config does not fit the dataset.
        """
        run = self.run
        steps = run.plan.steps_per_epoch
        check_num_steps(config, steps)
        model, recipe, state = prepare(config, run.dataset, steps)
        plan = dataclasses.replace(run.plan, config=config, views=views_of(config, run.dataset))
        state = parallel.on_every_device(state, plan.mesh)
        run = dataclasses.replace(run, plan=plan, model=model, state=state)
        if "loss.l2" in self.variation.fields:  # the test loss includes it
            run = dataclasses.replace(run, eval_step=compile_evaluation(recipe, plan))
        return MemberRun(run, self.variation.values(recipe, total_steps(config, steps)), self)


def make_template(
    config: ConfigDict, dataset: Dataset, fields: Iterable[str], others: Iterable[Template] = ()
) -> Template:
    """Return the shared parts of members that differ from a config in some fields.

    A member trains on one device, so `config.num_devices` is 1.

    Args:
      config: the checked config.
      dataset: of all members.
      fields: the dotted names of the fields.
      others: a template with the same dataset shares its data on the device.

    Raises:
      UserError: the config, the dataset and the devices do not fit each other.
    """
    data = next((other.run.data for other in others if other.run.dataset is dataset), None)
    run = make_run(config, dataset, data)
    _refuse_streaming(run.plan, dataset)
    _, recipe, _ = prepare(config, dataset, run.plan.steps_per_epoch)
    return Template(run, Variation(config, dataset, recipe, frozenset(fields)))


def check_members(configs: Sequence[ConfigDict], dataset: Dataset) -> dict[str, View]:
    """Check that members of one compiled step fit their data; return the views of the first one.

    The images stay on the host.

    Raises:
      UserError: a config, the dataset and the devices do not fit each other.
    """
    plan = resolve(configs[0], dataset)
    _refuse_streaming(plan, dataset)
    for config in configs:
        check_num_steps(config, plan.steps_per_epoch)
        num_steps = total_steps(config, plan.steps_per_epoch)
        try_parts(config, dataset, plan.steps_per_epoch, num_steps)
    prepare(configs[0], dataset, plan.steps_per_epoch)
    return plan.views


def _refuse_streaming(plan: Plan, dataset: Dataset) -> None:
    if plan.streams:
        raise UserError(
            f"{dataset.name}: its images do not fit into the memory, and a population does not "
            "read them from disk; train one run at a time"
        )


def make_member_runs(
    configs: Sequence[ConfigDict], dataset: Dataset, *, are_folds: bool = False
) -> list[MemberRun]:
    """Return the members of a population, ready to train.

    Args:
      configs: of the members.
      dataset: of all members.
      are_folds: see `check_population`.

    Raises:
      UserError: a config, the dataset and the devices do not fit each other, or one compiled step
        cannot train the configs.
    """
    check_population(configs, are_folds=are_folds)
    template = make_template(configs[0], dataset, differing_fields(configs))
    members = [template.member_run(config) for config in configs]
    if are_folds:
        _check_shapes(members)
    return members


def _check_shapes(members: Sequence[MemberRun]) -> None:
    """Check that an epoch and an evaluation have the same number of steps for all members.

    Raises:
      UserError: they do not; the fold's numbers of examples are on both sides of a batch's border.
    """
    plans = [member.run.plan for member in members]
    sizes = [("train", plans[0].global_batch_size), ("validation", plans[0].eval_batch_size)]
    if plans[0].config.evaluate_train:
        sizes.append(("train", plans[0].eval_batch_size))
    for view, batch_size in sizes:
        counts = [len(plan.views[view].indices) for plan in plans]
        if len({steps_per_epoch(count, batch_size) for count in counts}) > 1:
            raise UserError(
                f"{view} has {min(counts):,} to {max(counts):,} examples, which take different "
                f"numbers of batches of {batch_size}"
            )

"""The phases of a run: when one begins, and the run and state with which it trains."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.config.phases import Phase, config_of_phase, phases_of
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.loading import check_data
from jaxcnn.errors import UserError
from jaxcnn.training import parallel
from jaxcnn.training.plan import resolve
from jaxcnn.training.programs import make_programs
from jaxcnn.training.recipe import make_hyperparams, make_recipe, total_steps
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState, with_hyperparams_of
from jaxcnn.training.trial import try_parts
from jaxcnn.workdir.phases import current_config, end_of_phase, last_epoch, schedule_start
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress

# numbers of `config.loss` that are in the loss of validation, too
_OF_VALIDATION_LOSS = ("focal_gamma", "l2")


def check_phases(config: ConfigDict, dataset: Dataset, *, is_new: bool) -> None:
    """Check that every phase fits the dataset and the devices, before the first one begins.

    Args:
      config: of the whole run.
      dataset: the dataset.
      is_new: whether the run starts at its first step.

    Raises:
      UserError: the batch size, the warm-up or a user's schedule of a phase does not fit; of a new
        run also an augmentation, `optimizer.freeze_epochs`, or losses of two kinds by which it
        would choose its best epoch.
    """
    schedule_epochs = 0
    phases = list(phases_of(config)) if config.phases else []
    for phase in phases:
        schedule_epochs = phase.epochs + (0 if phase.is_fresh else schedule_epochs)
        phase_config = config_of_phase(config, phase, schedule_epochs)
        if is_new:  # an older run may have begun with what is refused
            _refuse_fields_of_the_run(phase)
            if config.best_metric == "loss":
                _refuse_another_loss(config, phases[0], phase)
            check_data(phase_config, dataset)
        steps = resolve(phase_config, dataset).steps_per_epoch
        try_parts(phase_config, dataset, steps, total_steps(phase_config, steps))


def _refuse_fields_of_the_run(phase: Phase) -> None:
    if "optimizer.freeze_epochs" in phase.overrides:
        raise UserError(
            f"config.phases, phase {str(phase)!r}: config.optimizer.freeze_epochs: counts over the "
            "whole run; set it outside of config.phases"
        )


def _refuse_another_loss(config: ConfigDict, first: Phase, phase: Phase) -> None:
    for name in _OF_VALIDATION_LOSS:
        field, outside = f"loss.{name}", config.loss[name]
        if phase.overrides.get(field, outside) != first.overrides.get(field, outside):
            raise UserError(
                f"config.phases, phase {str(phase)!r}: config.{field}: changes the loss of "
                'validation, by which config.best_metric = "loss" compares the epochs of all '
                "phases; choose another best_metric"
            )


def begin_due_phase(config: ConfigDict, progress: Progress, position: Position) -> bool:
    """Begin the next phase if the one in progress has ended; return whether it begins.

    Args:
      config: of the whole run.
      progress: of the run; its `phases` and the count of early stopping change.
      position: before the next step. A phase begins with an epoch.
    """
    phases, begun = phases_of(config), progress.phases
    if position.row or len(begun) == len(phases):
        return False
    if not end_of_phase(config, begun, position.epoch, progress.epochs_without_gain):
        return False
    progress.begin_phase(str(phases[len(begun)]), position)
    return True


def run_of_phase(run: Run, progress: Progress) -> Run:
    """Return a run as the phase in progress trains it, with that phase's settings in its state.

    Args:
      run: the whole run, ready to train; it is returned itself if it has a single phase.
      progress: of the run.
    """
    whole = run.plan.config
    if not whole.phases:
        return run
    config = current_config(whole, progress.phases)
    plan = dataclasses.replace(
        resolve(config, run.dataset),
        num_epochs=last_epoch(whole, progress.phases),
        schedule_start=schedule_start(progress.phases),
    )
    recipe, _, _ = make_recipe(config, run.dataset, run.model, plan.steps_per_epoch)

    def settings() -> dict[str, jax.Array]:
        shapes = run.state.params  # the arrays themselves may be donated
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return recipe.optimizer.init(zeros).hyperparams

    values = make_hyperparams(config), jax.device_get(jax.jit(settings)())
    hyperparams, of_optimizer = parallel.on_every_device(values, plan.mesh)
    opt_state = run.state.opt_state._replace(hyperparams=of_optimizer)
    state = run.state.replace(hyperparams=hyperparams, opt_state=opt_state)
    phase_run = dataclasses.replace(run, plan=plan, optimizer=recipe.optimizer, state=state)
    return phase_run.with_programs(make_programs(plan, recipe))


def enter_phase(
    run: Run, state: TrainState, progress: Progress, position: Position, *, is_new: bool
) -> tuple[Run, TrainState, Position, int]:
    """Return run, state and position with which the phase in progress goes on.

    A new phase with a fresh optimizer starts from the weights, their moving average and the batch
    statistics alone: the optimizer's state, the schedule, the plateau and the halvings of the rate
    by skipped steps start anew. Steps, epochs, order and random keys go on. A plateau that goes on
    forgets its lowest loss where the phase computes the loss of validation another way.

    Args:
      run: the whole run, ready to train.
      state: the state at the position, of this phase or the previous one.
      progress: of the run; the batch size and the plateau change with the phase.
      position: before the next step, with the batch size of `progress`.
      is_new: whether the phase begins here.

    Returns:
      The run, the state, the position, and the number of examples of the epoch that are seen twice
      because of another batch size.
    """
    whole, run = run.plan.config, run_of_phase(run, progress)
    plan = run.plan
    state = with_hyperparams_of(run.state, state)
    is_fresh = is_new and Phase.parse(progress.phases[-1]["phase"]).is_fresh
    if is_fresh:
        opt_state = jax.jit(run.optimizer.init)(jax.device_get(state.params))
        fresh = jax.device_get(opt_state), np.ones((), np.float32)
        opt_state, rate_scale = parallel.on_every_device(fresh, plan.mesh)
        state = state.replace(opt_state=opt_state, rate_scale=rate_scale)
    if is_fresh or plan.config.schedule.name != "plateau":
        progress.plateau = {}
    elif is_new and progress.plateau and _has_another_loss(whole, progress):
        progress.plateau |= {"lowest_loss": math.inf}
    repeated, before = 0, progress.global_batch_size
    if before != plan.global_batch_size:
        position, repeated = position.with_batch_size(
            before, plan.global_batch_size, plan.steps_per_epoch
        )
        progress.anchor_epoch, progress.anchor_step = position.anchor_epoch, position.anchor_step
        progress.global_batch_size = plan.global_batch_size
    return run, state, position, repeated


def _has_another_loss(config: ConfigDict, progress: Progress) -> bool:
    """Return whether the losses of validation in the phase in progress and before differ in kind.

    Args:
      config: of the whole run.
      progress: of the run, in its second phase or a later one.
    """
    now = current_config(config, progress.phases).loss
    before = current_config(config, progress.phases[:-1]).loss
    return any(now[name] != before[name] for name in _OF_VALIDATION_LOSS)


def describe_phase(config: ConfigDict, progress: Progress) -> str:
    """Return a line on the phase in progress; "" for a run of a single phase."""
    if not config.phases:
        return ""
    number, phase = len(progress.phases), phases_of(config)[len(progress.phases) - 1]
    optimizer = "" if number == 1 else f", {'fresh' if phase.is_fresh else 'same'} optimizer"
    settings = "".join(f", {name}={value:g}" for name, value in phase.overrides.items())
    first = progress.phases[-1]["after_epoch"] + 1
    return (
        f"phase {number} of {len(config.phases)}: epochs {first} to "
        f"{first + phase.epochs - 1}{optimizer}{settings}"
    )

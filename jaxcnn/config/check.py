"""The check of a config's fields: names, types, values and combinations."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.help import guess_field, guess_value
from jaxcnn.config.parts import FIELD_OF
from jaxcnn.config.phases import config_of_phase, phases_of
from jaxcnn.config.picture_settings import not_taken
from jaxcnn.config.rules import Effect, Field, Rule, one_of, some_of
from jaxcnn.config.unused import is_unused, takers
from jaxcnn.errors import UserError
from jaxcnn.text import join_names

# fields that belong to one schedule; a recipe of another one never sets them
_OF_ONE_SCHEDULE = (
    "boundaries", "patience", "min_delta", "cooldown", "min_rate", "power", "restart_epochs",
    "restart_growth",
)  # fmt: skip

# optimizers with decoupled weight decay, which factors can change
_DECAYING = ("sgd", "momentum", "nesterov", "adamw")
# optimizers whose updates are more than steps of the rate
_KEEPING_NORMS = ("airbench", "airbench2025")

Registries = Mapping[str, Sequence[str]]
_MOST_LISTED = 15  # choices, beside a guess that is likely right
# numeric fields that a phase cannot change: they count over the whole run
_OF_THE_RUN = ("num_epochs", "num_steps")
_OWN_PART = "register a part of your own with --register=FILE"


def rule_of(field: Field, registries: Registries) -> Rule | None:
    """Return the rule of a field, with the names of its registry where it has one."""
    if not field.rule or not field.rule.registry:
        return field.rule
    name = field.rule.registry
    choices = registries[name]
    return some_of(name, *choices) if isinstance(field.default, tuple) else one_of(*choices)


def check_fields(config: ConfigDict, registries: Registries) -> None:
    """Check the names, types, values and combinations of a config's fields.

    Args:
      config: the config of a config file, with the flags applied.
      registries: see `check_values`.

    Raises:
      UserError: a field is wrong, or several do not fit each other; the message has the first such
        field, its value, and what is allowed.
    """
    check_values(config, registries)
    for message in _wrong_combinations(config):
        raise UserError(message)
    if config.phases:
        _check_phases(config, registries)


def check_values(config: ConfigDict, registries: Registries) -> None:
    """Check the names, types and values of a config's fields, each by itself.

    A run that is only read needs no more: older code may have let it train with a field that had no
    effect. The options of the network, `model.OPTION`, are the caller's to check.

    Args:
      config: the config.
      registries: the names in each registry that a rule refers to, such as "optimizers".

    Raises:
      UserError: a field is wrong; the message has the first such field, its value, and what is
        allowed.
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"the config must be a ConfigDict, not of type {type(config).__name__}")
    values = flatten(config)
    for name in sorted(FIELDS.keys() - values.keys()):
        raise UserError(f"config.{name} is missing: start from jaxcnn.config.default_config()")
    for name in values:
        if name not in FIELDS and not name.startswith("model."):
            guess = guess_field(name, FIELDS)
            raise UserError(f"config.{name} is not a field of a run{guess}")
    for name in sorted(FIELDS):
        _check_type(name, values[name])
    for name, field in FIELDS.items():
        rule = rule_of(field, registries)
        if rule and not rule.holds(values[name]):
            guess = guess_value(values[name], rule.choices)
            advice = f"; {_OWN_PART}" if name in FIELD_OF.values() else ""
            is_long = guess and len(rule.choices) > _MOST_LISTED
            allowed = "there is none of this name" if is_long else f"allowed is {rule.allowed}"
            raise UserError(f"config.{name} = {values[name]!r}: {allowed}{guess}{advice}")


def _check_phases(config: ConfigDict, registries: Registries) -> None:
    """Check the config of each phase. The run's folder decides which `num_epochs` fit them.

    Raises:
      UserError: the run ends by steps, or a field of a phase is wrong.
    """
    if config.num_steps:
        raise UserError(
            f"config.num_steps = {config.num_steps}: must be 0 with config.phases, whose epochs "
            "end the run"
        )
    schedule_epochs = 0
    for phase in phases_of(config):
        schedule_epochs = phase.epochs + (0 if phase.is_fresh else schedule_epochs)
        try:
            for name, value in phase.overrides.items():
                _check_override(name, value)
            check_fields(config_of_phase(config, phase, schedule_epochs), registries)
            if "global_batch_size" in phase.overrides and config.schedule.decay_steps:
                raise UserError(
                    "config.global_batch_size: other batches would shift a decay by steps; set "
                    "config.schedule.decay_epochs in place of decay_steps"
                )
        except UserError as error:
            raise UserError(f"config.phases, phase {str(phase)!r}: {error}") from error


def _check_override(name: str, value: Any) -> None:
    """Check that a phase may set a field to a value of this type."""
    field = FIELDS.get(name)
    if field is None:
        raise UserError(f"config.{name} is not a field of a run{guess_field(name, FIELDS)}")
    if name in _OF_THE_RUN:
        raise UserError(
            f"config.{name}: counts over the whole run; set it outside of config.phases"
        )
    is_numeric = type(field.default) in (int, float)
    if not is_numeric or not (field.effect == Effect.NUMBERS or name.startswith("early_stopping.")):
        raise UserError(
            f"config.{name}: a phase can change numbers of loss, optimizer, schedule, augment and "
            "early_stopping, and global_batch_size"
        )
    _check_type(name, value)


def _check_type(name: str, value: Any) -> None:
    default = FIELDS[name].default
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(default, bool) and isinstance(value, bool)
    elif isinstance(default, float):
        fits = isinstance(value, (int, float))
    else:
        fits = isinstance(value, type(default))
    if not fits:
        raise UserError(f"config.{name} = {value!r}: must be of type {type(default).__name__}")
    if isinstance(value, int) and abs(value) >= 2**31:
        raise UserError(f"config.{name}: too large a number; the limit is 2**31")


def _wrong_combinations(config: ConfigDict) -> list[str]:
    """Return a message for each combination of fields that makes no sense."""
    dataset, optimizer, schedule = config.dataset, config.optimizer, config.schedule
    messages = {
        "config.schedule.boundaries = (): the step schedule needs the epochs of its steps": (
            schedule.name == "step" and not schedule.boundaries
        ),
        f"config.dataset.workers = {dataset.workers} has no effect without "
        "config.dataset.streaming = True": dataset.workers > 0 and not dataset.streaming,
        'config.test_with = "best": the test split may not choose the epoch that it tests; '
        'set it to "last", or config.validation to "holdout"': (
            config.test_with == "best" and config.validation == "test"
        ),
        'config.calibration = "temperature": the test split may not calibrate what it tests; '
        'set config.validation to "holdout"': (
            config.calibration == "temperature" and config.validation == "test"
        ),
        f"config.optimizer.weight_decay = {optimizer.weight_decay}: {optimizer.name} takes no "
        "weight decay; use adamw": (
            optimizer.name in ("adam", "adam_keras") and optimizer.weight_decay > 0
        ),
        f"config.optimizer.accumulation_steps = {optimizer.accumulation_steps}: at most "
        f"config.global_batch_size = {config.global_batch_size}": (
            0 < config.global_batch_size < optimizer.accumulation_steps
        ),
        f"config.schedule.warmup_epochs = {schedule.warmup_epochs}: must be less than "
        f"config.num_epochs = {config.num_epochs}": schedule.warmup_epochs >= config.num_epochs,
        f"config.dataset.classes = {dataset.classes!r} needs config.dataset.streaming = False": (
            bool(dataset.classes) and dataset.streaming
        ),
        f"config.fold = {config.fold}: must be less than config.folds = {config.folds}": (
            config.fold >= config.folds
        ),
        f"config.fold = {config.fold} has no effect with config.validation = "
        f'"{config.validation}"; set config.validation = "fold"': (
            config.fold > 0 and config.validation != "fold"
        ),
        f"config.dataset.image_width = {dataset.image_width}: set config.dataset.image_size, the "
        "height, too": dataset.image_width > 0 and not dataset.image_size,
        f"config.dataset.label_set = {dataset.label_set!r}: only cifar100 has label sets": (
            dataset.label_set != "" and dataset.name != "cifar100"
        ),
    }
    messages |= dict.fromkeys((f"config.dataset.{line}" for line in not_taken(dataset)), True)
    messages |= _wrong_schedules(schedule, optimizer) | _wrong_weights(config.loss, dataset)
    messages |= _wrong_fine_tuning(optimizer)
    return [message for message, is_wrong in messages.items() if is_wrong]


def _wrong_schedules(schedule: ConfigDict, optimizer: ConfigDict) -> dict[str, bool]:
    """Return whether each message about a schedule's fields applies."""
    name, rate = schedule.name, optimizer.learning_rate
    ineffective = {
        f"config.schedule.{field} = {schedule[field]!r} has no effect with config.schedule.name = "
        f"{name!r}; only {join_names(takers(f'schedule.{field}')[1])} takes it": (
            is_unused(f"schedule.{field}", [name])
            and schedule[field] != FIELDS[f"schedule.{field}"].default
        )
        for field in _OF_ONE_SCHEDULE
    }
    return ineffective | {
        f"config.schedule.factor = {schedule.factor}: must be less than 1 for plateau": (
            name == "plateau" and schedule.factor >= 1
        ),
        f"config.schedule.min_rate = {schedule.min_rate}: must be less than "
        f"config.optimizer.learning_rate = {rate}": (
            name == "plateau"
            and optimizer.scale_with_batch == "none"
            and 0 < schedule.min_rate >= rate
        ),
        f"config.schedule.decay_rate = {schedule.decay_rate}: must be more than 0 for "
        "exponential": name == "exponential" and schedule.decay_rate == 0,
    }


def _wrong_weights(loss: ConfigDict, dataset: ConfigDict) -> dict[str, bool]:
    """Return whether each message about the weights of classes and examples applies."""
    weighting, weights, gamma = loss.class_weighting, loss.class_weights, loss.focal_gamma
    return {
        'config.loss.class_weights = (): class_weighting = "given" needs a weight for each class': (
            weighting == "given" and not weights
        ),
        f"config.loss.class_weights = {weights!r} has no effect with config.loss.class_weighting = "
        f'{weighting!r}; set it to "given"': weighting != "given" and bool(weights),
        f"config.loss.focal_gamma = {gamma} has no effect with config.loss.name = {loss.name!r}; "
        "only focal takes it": (
            loss.name != "focal" and gamma != FIELDS["loss.focal_gamma"].default
        ),
        'config.loss.class_weighting = "balanced": config.dataset.sampling = "balanced" gives each '
        "class its share already; choose one of them": (
            weighting == "balanced" and dataset.sampling == "balanced"
        ),
    }


def _wrong_fine_tuning(optimizer: ConfigDict) -> dict[str, bool]:
    """Return whether each message about frozen parameters and factors applies."""
    factors, epochs = optimizer.weight_decay_factors, optimizer.freeze_epochs
    return {
        f"config.optimizer.freeze_epochs = {epochs} has no effect without freeze": (
            epochs > 0 and not optimizer.freeze
        ),
        f"config.optimizer.weight_decay_factors = {factors!r}: {optimizer.name} does not take "
        f"them; {', '.join(_DECAYING)} do": bool(factors) and optimizer.name not in _DECAYING,
        f"config.optimizer.weight_decay_factors = {factors!r} has no effect with "
        "config.optimizer.weight_decay = 0": bool(factors) and optimizer.weight_decay == 0,
        f"config.optimizer.rate_factors = {optimizer.rate_factors!r}: {optimizer.name} does not "
        "take them, because its updates also keep the norms of filters": (
            bool(optimizer.rate_factors) and optimizer.name in _KEEPING_NORMS
        ),
    }

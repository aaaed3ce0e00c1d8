"""The check of a config's fields: names, types, values and combinations."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.help import guess_field, guess_value
from jaxcnn.config.rules import Field, Rule, one_of
from jaxcnn.errors import UserError

Registries = Mapping[str, Sequence[str]]


def rule_of(field: Field, registries: Registries) -> Rule | None:
    """Return the rule of a field, with the names of its registry where it has one."""
    if field.rule and field.rule.registry:
        return one_of(*registries[field.rule.registry])
    return field.rule


def check_fields(config: ConfigDict, registries: Registries) -> None:
    """Check the names, types, values and combinations of a config's fields.

    The options of the network, `model.OPTION`, are the caller's to check.

    Args:
      config: the config of a config file, with the flags applied.
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
            raise UserError(f"config.{name} = {values[name]!r}: allowed is {rule.allowed}{guess}")
    for message in _wrong_combinations(config):
        raise UserError(message)


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
        f"config.schedule.boundaries = {schedule.boundaries!r} has no effect with "
        f"config.schedule.name = {schedule.name!r}; only the step schedule takes it": (
            schedule.name != "step" and bool(schedule.boundaries)
        ),
        f"config.dataset.workers = {dataset.workers} has no effect without "
        "config.dataset.streaming = True": dataset.workers > 0 and not dataset.streaming,
        'config.test_with = "best": the test split may not choose the epoch that is tested on it; '
        'set it to "last", or config.validation to "holdout"': (
            config.test_with == "best" and config.validation == "test"
        ),
        f"config.optimizer.weight_decay = {optimizer.weight_decay}: adam takes no weight decay; "
        "use adamw": optimizer.name == "adam" and optimizer.weight_decay > 0,
        f"config.optimizer.accumulation_steps = {optimizer.accumulation_steps}: at most "
        f"config.global_batch_size = {config.global_batch_size}": (
            optimizer.accumulation_steps > config.global_batch_size
        ),
        f"config.schedule.warmup_epochs = {schedule.warmup_epochs}: must be less than "
        f"config.num_epochs = {config.num_epochs}": schedule.warmup_epochs >= config.num_epochs,
        f"config.dataset.classes = {dataset.classes!r} needs config.dataset.streaming = False": (
            bool(dataset.classes) and dataset.streaming
        ),
        f"config.dataset.label_set = {dataset.label_set!r}: only cifar100 has label sets": (
            dataset.label_set != "" and dataset.name != "cifar100"
        ),
    }
    return [message for message, is_wrong in messages.items() if is_wrong]

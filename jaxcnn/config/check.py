"""The one check of a config: names, types, ranges and combinations, in one line each."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.fields import default_config, flatten
from jaxcnn.config.help import guess_field, guess_value
from jaxcnn.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a field may hold: a predicate and the words that say it."""

    holds: Callable[[Any], bool]
    allowed: str
    choices: tuple[str, ...] = ()


def _one_of(*choices: str) -> Rule:
    listed = ", ".join(choice or '""' for choice in choices)
    return Rule(lambda value: value in choices, f"one of {listed}", choices)


def _between(low: float, high: float = math.inf, *, open_low=False, open_high=False) -> Rule:
    def holds(value: float) -> bool:
        above = value > low if open_low else value >= low
        return math.isfinite(value) and above and (value < high if open_high else value <= high)

    above = f"more than {low:g}" if open_low else f"at least {low:g}"
    below = f" and {'less than' if open_high else 'at most'} {high:g}"
    return Rule(holds, above + (below if math.isfinite(high) else ""))


def _rules() -> dict[str, Rule]:
    from jaxcnn.optim.optimizers import OPTIMIZERS
    from jaxcnn.optim.schedules import BATCH_SCALINGS, SCHEDULES

    positive, not_negative = _between(0, open_low=True), _between(0)
    fraction = _between(0, 1, open_high=True)
    # a Beta distribution of a tiny alpha is beyond float32
    alpha = Rule(lambda value: value == 0 or 0.01 <= value <= 100, "0, or from 0.01 to 100")
    return {
        "seed": _between(0, 2**31 - 1),
        "num_epochs": _between(1),
        "steps_per_epoch": not_negative,
        "max_minutes": not_negative,
        "global_batch_size": _between(1),
        "validation": _one_of("holdout", "tail", "validation", "test"),
        "validation_fraction": _between(0, 1, open_low=True, open_high=True),
        "holdout": _one_of("stratified", "random"),
        "test_with": _one_of("best", "last"),
        "parallel": _one_of("pmap", "shard_map"),
        "num_devices": not_negative,
        "steps_per_dispatch": _between(0, 10_000),
        "precision": _one_of("float32", "bfloat16"),
        "batch_norm": _one_of("global", "per_device"),
        "dataset.fraction": _between(0, 1, open_low=True),
        "dataset.label_set": _one_of("", "fine", "coarse"),
        "dataset.split": _one_of("content", "shuffle"),
        "dataset.image_size": _between(0, 1024),
        "dataset.workers": _between(0, 256),
        "dataset.scaling": _one_of("none", "unit", "centered", "zscore", "zscore_per_channel"),
        "loss.label_smoothing": fraction,
        "loss.l2": not_negative,
        "loss.heads": _one_of("prob_mix", "weighted_loss"),
        "optimizer.name": _one_of(*OPTIMIZERS),
        "optimizer.learning_rate": not_negative,
        "optimizer.scale_with_batch": _one_of(*BATCH_SCALINGS),
        "optimizer.reference_batch_size": _between(1),
        "optimizer.momentum": fraction,
        "optimizer.b1": fraction,
        "optimizer.b2": fraction,
        "optimizer.eps": positive,
        "optimizer.weight_decay": not_negative,
        "optimizer.gradient_clip": not_negative,
        "optimizer.accumulation_steps": _between(1),
        "optimizer.ema_decay": fraction,
        "schedule.name": _one_of(*SCHEDULES),
        "schedule.warmup_epochs": not_negative,
        "schedule.decay_rate": not_negative,
        "schedule.decay_epochs": positive,
        "schedule.decay_steps": not_negative,
        "schedule.factor": positive,
        "schedule.final_fraction": _between(0, 1),
        "augment.crop": not_negative,
        "augment.crop_mode": _one_of("reflect", "zero"),
        "augment.shift": fraction,
        "augment.rotation": _between(0, 180),
        "augment.flip": _one_of("none", "random", "alternating"),
        "augment.cutout": not_negative,
        "augment.color_jitter": _between(0, 1),
        "augment.mixup": alpha,
        "augment.cutmix": alpha,
        "early_stopping.patience": not_negative,
        "early_stopping.min_delta": not_negative,
        "checkpoint.every_epochs": _between(1),
        "checkpoint.every_steps": not_negative,
        "checkpoint.every_minutes": not_negative,
        "checkpoint.keep_latest": _between(1),
        "checkpoint.keep_best": _between(1),
    }


def allowed_values() -> dict[str, str]:
    """What each field may hold, in words, by dotted name; a field that may hold anything of its
    type is missing."""
    flags = {n: "True or False" for n, v in flatten(default_config()).items() if type(v) is bool}
    return {name: rule.allowed for name, rule in _rules().items()} | flags


def check_config(config: ConfigDict) -> None:
    """Checks names, types, ranges and combinations, before anything is read or written.

    Raises:
      UserError: the first field that is wrong, its value, and what is allowed.
    """
    if not isinstance(config, ConfigDict):
        # ml_collections stands in for a file that it could not read with an object of its own
        unreadable = getattr(config, "__dict__", {}).get("_error")
        returned = f"get_config() must return a ConfigDict, not {type(config).__name__}"
        raise UserError(f"config: {unreadable or returned}")
    fields, defaults = flatten(config), flatten(default_config())
    common = {name for name in defaults if not name.startswith("model.")} | {"model.name"}
    for name in sorted(common - fields.keys()):
        raise UserError(f"config.{name} is missing: start from jaxcnn.config.default_config()")
    for name in fields:
        if name not in common and not name.startswith("model."):
            guess = guess_field(name, common)
            raise UserError(f"config.{name} is not a field of a run{guess}")
    for name in sorted(common):
        _check_type(name, fields[name], defaults[name])
    for name, rule in _rules().items():
        if not rule.holds(fields[name]):
            guess = guess_value(fields[name], rule.choices)
            raise UserError(f"config.{name} = {fields[name]!r}: allowed is {rule.allowed}{guess}")
    _check_network(config)
    _check_combinations(config)


def _check_type(name: str, value: Any, default: Any) -> None:
    if isinstance(default, bool) or isinstance(value, bool):
        right = isinstance(default, bool) and isinstance(value, bool)
    elif isinstance(default, float):
        right = isinstance(value, (int, float))
    else:
        right = isinstance(value, type(default))
    if not right:
        raise UserError(f"config.{name} = {value!r}: must be of type {type(default).__name__}")
    if isinstance(value, int) and abs(value) >= 2**31:
        raise UserError(f"config.{name}: too large a number")


def _check_network(config: ConfigDict) -> None:
    from jaxcnn.models import check_options, network_names

    name = config.model.name
    if name not in network_names():
        raise UserError(
            f"config.model.name = {name!r}: allowed is one of {', '.join(network_names())}"
            + guess_value(name, network_names())
        )
    check_options(**config.model)


def _check_combinations(config: ConfigDict) -> None:
    def refuse(when: bool, message: str) -> None:
        if when:
            raise UserError(message)

    boundaries = config.schedule.boundaries
    refuse(
        not all(type(b) in (int, float) and 0 < b < 2**31 for b in boundaries)
        or list(boundaries) != sorted(set(boundaries)),
        f"config.schedule.boundaries = {boundaries!r}: allowed are rising positive epochs",
    )
    refuse(
        config.schedule.name == "step" and not boundaries,
        "config.schedule.boundaries = (): the step schedule needs the epochs of its steps",
    )
    refuse(
        config.schedule.name != "step" and bool(boundaries),
        f"config.schedule.boundaries = {boundaries!r}: they are of the step schedule, and "
        f"config.schedule.name is {config.schedule.name!r}",
    )
    refuse(
        config.dataset.workers > 0 and not config.dataset.streaming,
        f"config.dataset.workers = {config.dataset.workers}: they read for "
        "config.dataset.streaming, which is False",
    )
    refuse(
        config.test_with == "best" and config.validation == "test",
        'config.test_with = "best": choosing the epoch on the test split and then testing on it '
        'is not allowed; set it to "last", or config.validation to "holdout"',
    )
    refuse(
        config.optimizer.name == "adam" and config.optimizer.weight_decay > 0,
        f"config.optimizer.weight_decay = {config.optimizer.weight_decay}: with adam it is 0; "
        "use adamw",
    )
    refuse(
        config.optimizer.accumulation_steps > config.global_batch_size,
        f"config.optimizer.accumulation_steps = {config.optimizer.accumulation_steps}: at most "
        f"config.global_batch_size = {config.global_batch_size}",
    )
    refuse(
        config.schedule.warmup_epochs >= config.num_epochs,
        f"config.schedule.warmup_epochs = {config.schedule.warmup_epochs}: less than "
        f"config.num_epochs = {config.num_epochs}",
    )
    refuse(
        config.dataset.label_set != "" and config.dataset.name != "cifar100",
        f"config.dataset.label_set = {config.dataset.label_set!r}: only cifar100 has label sets",
    )

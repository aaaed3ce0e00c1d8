"""The fields of a run, their defaults, and the one check of a config."""

import dataclasses
import functools
import inspect
import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.errors import UserError


def default_config() -> ConfigDict:
    """Every field a run has: LeNet on scikit-learn's digits, plain Adam."""
    return ConfigDict(
        {
            "seed": 0,
            "num_epochs": 40,
            "global_batch_size": 64,
            "validation": "holdout",  # "holdout": cut from train, "validation": the publisher's
            "validation_fraction": 0.1,  # of the training split, for "holdout"
            "test_with": "best",  # the weights that are tested: "best" on validation, or "last"
            "evaluate_train": False,  # also score the whole training split after each epoch
            "parallel": "pmap",  # or "shard_map": the same numbers
            "num_devices": 0,  # 0: all
            "precision": "float32",  # or "bfloat16": compute only, parameters stay float32
            "batch_norm": "global",  # statistics over the global batch, or "per_device"
            "dataset": {
                "name": "digits",
                "data_dir": "",  # "": $TFDS_DATA_DIR, else ~/tensorflow_datasets
                "label_set": "",  # cifar100: "fine" or "coarse"
                "image_size": 32,  # 0: the dataset's own
                "scaling": "unit",
            },
            "model": network("lenet"),
            "loss": {"label_smoothing": 0.0, "l2": 0.0, "heads": "prob_mix"},
            "optimizer": {
                "name": "adam",
                "learning_rate": 1e-3,
                "momentum": 0.9,  # momentum, nesterov
                "b1": 0.9,  # adam, adamw
                "b2": 0.999,
                "eps": 1e-7,
                "weight_decay": 0.0,  # decoupled, kernels only
                "gradient_clip": 0.0,  # largest global norm; 0: none
                "accumulation_steps": 1,  # parts a batch is computed in
                "ema_decay": 0.0,  # moving average of the weights, used in evaluation; 0: none
            },
            "schedule": {
                "name": "constant",
                "warmup_epochs": 0.0,
                "decay_rate": 0.5,  # inverse_time, inverse_time_rounded
                "decay_epochs": 1.0,
                "decay_steps": 0,  # instead of decay_epochs, where positive
                "staircase": False,
                "boundaries": (),  # step: epochs at which the rate is multiplied by factor
                "factor": 0.1,
                "final_fraction": 0.0,  # cosine, linear: of the first rate
            },
            "augment": {
                "crop": 0,  # pixels of padding
                "crop_mode": "reflect",
                "shift": 0.0,  # fraction of width and height
                "rotation": 0.0,  # degrees
                "flip": "none",
                "cutout": 0,  # pixels
                "color_jitter": 0.0,
                "mixup": 0.0,  # alpha of the Beta distribution
                "cutmix": 0.0,
            },
            "early_stopping": {"patience": 0, "min_delta": 0.0},  # 0: off; on validation loss
            "checkpoint": {"every_epochs": 1, "keep_latest": 2, "keep_best": 1},
        }
    )


def network(name: str, **options: Any) -> dict[str, Any]:
    """The `model` part of a config: the network's name and all its options, so that each of them
    can be overridden from the command line."""
    from jaxcnn.models import network_options

    return {"name": name} | network_options(name) | options


def published_config() -> ConfigDict:
    """What the publications' recipes share: the test split serves as validation split, the last
    epoch's weights are tested, images keep their size."""
    config = default_config()
    config.validation, config.test_with = "test", "last"
    config.dataset.image_size = 0
    return config


def choose(variant: str, variants: dict[str, Any]) -> Any:
    """The variant of a config file that was named after the colon.

    Raises:
      UserError: there is no such variant.
    """
    if variant not in variants:
        raise UserError(f"no variant {variant!r}; allowed is one of {', '.join(variants)}")
    return variants[variant]


def config_variants(folder: Path) -> dict[str, Callable[[], ConfigDict]]:
    """Every config of a folder by name, `lenet:cifar100` say; a file's variants are those that
    the docstring of its `get_config` has in backquotes."""
    variants = {}
    for path in sorted(folder.glob("*.py")):
        get_config = runpy.run_path(str(path))["get_config"]
        named = inspect.getdoc(get_config).split("`")[1::2]
        if not named:
            variants[path.stem] = get_config
        for variant in named:
            variants[f"{path.stem}:{variant}"] = functools.partial(get_config, variant)
    return variants


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a field may hold: a predicate and the words that say it."""

    holds: Callable[[Any], bool]
    allowed: str


def _one_of(*choices: str) -> Rule:
    return Rule(lambda value: value in choices, "one of " + ", ".join(choices))


def _between(low: float, high: float = math.inf, *, open_low=False, open_high=False) -> Rule:
    def holds(value: float) -> bool:
        above = value > low if open_low else value >= low
        return math.isfinite(value) and above and (value < high if open_high else value <= high)

    above = f"more than {low:g}" if open_low else f"at least {low:g}"
    below = f" and {'less than' if open_high else 'at most'} {high:g}"
    return Rule(holds, above + (below if math.isfinite(high) else ""))


def _rules() -> dict[str, Rule]:
    from jaxcnn.training.optimizers import OPTIMIZERS
    from jaxcnn.training.schedules import SCHEDULES

    positive, not_negative = _between(0, open_low=True), _between(0)
    fraction = _between(0, 1, open_high=True)
    # a Beta distribution of a tiny alpha is beyond float32
    alpha = Rule(lambda value: value == 0 or 0.01 <= value <= 100, "0, or from 0.01 to 100")
    return {
        "seed": _between(0, 2**31 - 1),
        "num_epochs": _between(1),
        "global_batch_size": _between(1),
        "validation": _one_of("holdout", "validation", "test"),
        "validation_fraction": _between(0, 1, open_low=True, open_high=True),
        "test_with": _one_of("best", "last"),
        "parallel": _one_of("pmap", "shard_map"),
        "num_devices": not_negative,
        "precision": _one_of("float32", "bfloat16"),
        "batch_norm": _one_of("global", "per_device"),
        "dataset.label_set": _one_of("", "fine", "coarse"),
        "dataset.image_size": _between(0, 1024),
        "dataset.scaling": _one_of("none", "unit", "centered", "zscore", "zscore_per_channel"),
        "loss.label_smoothing": fraction,
        "loss.l2": not_negative,
        "loss.heads": _one_of("prob_mix", "weighted_loss"),
        "optimizer.name": _one_of(*OPTIMIZERS),
        "optimizer.learning_rate": not_negative,
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
        "checkpoint.keep_latest": _between(1),
        "checkpoint.keep_best": _between(1),
    }


def flatten(config: ConfigDict | dict, prefix: str = "") -> dict[str, Any]:
    """`{"optimizer.name": "adam", …}`: a config's leaves by dotted name."""
    leaves = {}
    for key, value in config.items():
        if isinstance(value, (ConfigDict, dict)):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


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
            raise UserError(f"config.{name} is not a field of a run")
    for name in sorted(common):
        _check_type(name, fields[name], defaults[name])
    for name, rule in _rules().items():
        if not rule.holds(fields[name]):
            raise UserError(f"config.{name} = {fields[name]!r}: allowed is {rule.allowed}")
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


def _check_network(config: ConfigDict) -> None:
    from jaxcnn.models import check_options, network_names

    name = config.model.name
    if name not in network_names():
        raise UserError(
            f"config.model.name = {name!r}: allowed is one of {', '.join(network_names())}"
        )
    check_options(**config.model)


def _check_combinations(config: ConfigDict) -> None:
    def refuse(when: bool, message: str) -> None:
        if when:
            raise UserError(message)

    boundaries = config.schedule.boundaries
    refuse(
        any(isinstance(b, bool) or not isinstance(b, (int, float)) or b <= 0 for b in boundaries)
        or list(boundaries) != sorted(set(boundaries)),
        f"config.schedule.boundaries = {boundaries!r}: allowed are rising positive epochs",
    )
    refuse(
        config.schedule.name == "step" and not boundaries,
        "config.schedule.boundaries = (): the step schedule needs the epochs of its steps",
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

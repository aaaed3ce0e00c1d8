"""The fields of a run and their defaults, and what the files in `configs/` are made with."""

from typing import Any

from ml_collections import ConfigDict


def default_config(model: dict[str, Any] | None = None) -> ConfigDict:
    """Every field a run has: LeNet on scikit-learn's digits, plain Adam.

    Args:
      model: the `model` part, in place of LeNet's; with it JAX is not loaded.
    """
    return ConfigDict(
        {
            "seed": 0,
            "num_epochs": 40,
            "steps_per_epoch": 0,  # an epoch is so many of its batches; 0: all of them
            "max_minutes": 0.0,  # after which a run ends: scores, tests and reports; 0: no limit
            "global_batch_size": 64,
            "validation": "holdout",  # or "tail", "validation" (the publisher's), "test"
            "validation_fraction": 0.1,  # of the training split, for "holdout" and "tail"
            "holdout": "stratified",  # the share of each class, or "random", of all alike
            "test_with": "best",  # the weights that are tested: "best" on validation, or "last"
            "init_from": "",  # another run's folder: a new run starts from its weights
            "tuned_on_test_of": "",  # the dataset whose test accuracies chose this recipe
            "evaluate_train": False,  # also score the whole training split after each epoch
            "parallel": "pmap",  # or "shard_map": the same numbers
            "deterministic": False,  # the same bits each time on a GPU too, slower
            "num_devices": 0,  # 0: all; on a CPU one for networks without convolutions
            "steps_per_dispatch": 0,  # in one call of the device; 0: many on an accelerator, else 1
            "precision": "float32",  # or "bfloat16": compute only, parameters stay float32
            "batch_norm": "global",  # statistics over the global batch, or "per_device"
            "dataset": {
                "name": "digits",
                "fraction": 1.0,  # of the training examples of each class, to try a job out
                "data_dir": "",  # "": $TFDS_DATA_DIR, else ~/tensorflow_datasets
                "label_set": "",  # cifar100: "fine" or "coarse"
                "split": "content",  # test split of a folder without one, or "shuffle"
                "image_size": 32,  # 0: the dataset's own
                "scaling": "unit",
                "streaming": False,  # read as it trains: for what does not fit in memory
                "workers": 0,  # processes that read then; 0: threads
            },
            "model": network("lenet") if model is None else model,
            "loss": {"label_smoothing": 0.0, "l2": 0.0, "heads": "prob_mix"},
            "optimizer": {
                "name": "adam",
                "learning_rate": 1e-3,
                "scale_with_batch": "none",  # the rate: "linear" or "sqrt" of global_batch_size
                "reference_batch_size": 128,  # where it is then learning_rate
                "momentum": 0.9,  # momentum, nesterov, muon, airbench
                "b1": 0.9,  # adam, adamw
                "b2": 0.999,
                "eps": 1e-7,
                # decoupled, of kernels; with muon of filters only, with airbench see optimizers.py
                "weight_decay": 0.0,
                "gradient_clip": 0.0,  # largest global norm; 0: none
                "accumulation_steps": 1,  # parts a batch is computed in
                "skip_bad_steps": False,  # skip steps that are not finite, each halves the rate
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
            "checkpoint": {
                "every_epochs": 1,
                "every_steps": 0,  # also in mid-epoch; 0: not
                "every_minutes": 0.0,
                "keep_latest": 2,
                "keep_best": 1,
            },
        }
    )


# What a `config.json` without the field stands for, where that is not the field's default: the run
# was made before the field existed.
OLDER_DEFAULTS: dict[str, Any] = {"holdout": "random", "dataset.split": "shuffle"}


def older_rules(saved: dict[str, Any]) -> dict[str, Any]:
    """Return the values of `OLDER_DEFAULTS` that hold for a run with this `config.json`."""
    leaves = flatten(saved)
    return {name: value for name, value in OLDER_DEFAULTS.items() if name not in leaves}


def older_defaults() -> ConfigDict:
    """Return the default config with the values that a run's missing fields stand for."""
    config = default_config()
    config.update_from_flattened_dict(OLDER_DEFAULTS)
    return config


def network(name: str, **options: Any) -> dict[str, Any]:
    """The `model` part of a config: the network's name and all its options, so that each of them
    can be overridden from the command line."""
    from jaxcnn.models import network_options

    return {"name": name} | network_options(name) | options


def flatten(config: ConfigDict | dict, prefix: str = "") -> dict[str, Any]:
    """`{"optimizer.name": "adam", …}`: a config's leaves by dotted name."""
    leaves = {}
    for key, value in config.items():
        if isinstance(value, (ConfigDict, dict)):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


# Fields that leave a recipe as it is: the seed, and what changes no number beyond rounding.
HARMLESS = (
    "seed", "deterministic", "num_devices", "parallel", "steps_per_dispatch", "checkpoint.",
    "evaluate_train", "dataset.data_dir", "dataset.streaming", "dataset.workers",
    "tuned_on_test_of",
)  # fmt: skip


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """A config as nested dicts with lists for tuples, as JSON holds it."""
    plain = {}
    for name, value in config.items():
        nested = to_dict(value) if isinstance(value, ConfigDict) else value
        plain[name] = list(nested) if isinstance(nested, tuple) else nested
    return plain

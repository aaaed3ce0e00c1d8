"""The publications' accuracies, for the runs of a checkout's own recipes."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.reporting.writers import read_json

_FILE = Path(__file__).parents[2] / "results" / "published.json"  # config name → accuracy
# Flags that leave a config's recipe as it is.
_HARMLESS = ("seed", "num_devices", "parallel", "checkpoint.", "dataset.data_dir", "evaluate_train")


def published_accuracy(command: Sequence[str] | None, config: dict[str, Any]) -> float | None:
    """The publication's test accuracy of the recipe that the command ran, a fraction.

    None where the command is not known, names a config without a published figure, or changes a
    field of it; and where the package lies without its `results` folder.
    """
    name = _config_name(command or [])
    if name is None:
        return None
    stem, _, variant = name.partition(":")
    # without a variant: the one of the dataset, where variants are datasets
    names = [name] if variant else [name, f"{stem}:{config['dataset']['name']}"]
    return next((_figures()[each] for each in names if each in _figures()), None)


def _config_name(command: Sequence[str]) -> str | None:
    """`lenet:cifar100` for the command `… --config=configs/lenet.py:cifar100`."""
    name = None
    arguments = iter(command[1:])
    for argument in arguments:
        flag, is_joined, value = argument.lstrip("-").partition("=")
        if flag == "init_from" or _changes_recipe(flag):
            return None
        if flag == "config":
            path, _, variant = (value if is_joined else next(arguments, "")).partition(":")
            name = ":".join(part for part in (Path(path).stem, variant) if part)
    return name


def _changes_recipe(flag: str) -> bool:
    field = flag.removeprefix("config.")
    return field != flag and not field.startswith(_HARMLESS)


@functools.cache
def _figures() -> dict[str, float]:
    try:
        return read_json(_FILE)
    except UserError:  # an installed package has no such folder
        return {}

"""The publications' accuracies, for the runs of a checkout's own recipes."""

import ast
import functools
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.errors import UserError
from jaxcnn.reporting.writers import read_json

_CHECKOUT = Path(__file__).resolve().parents[2]
_FILE = _CHECKOUT / "results" / "published.json"  # config name → accuracy
# Fields that leave a recipe as it is: the seed, and what changes no number beyond
# rounding.
HARMLESS = (
    "seed", "deterministic", "num_devices", "parallel", "steps_per_dispatch", "checkpoint.",
    "evaluate_train", "dataset.data_dir", "dataset.streaming", "dataset.workers",
)  # fmt: skip


def published_accuracy(command: Sequence[str] | None) -> float | None:
    """The publication's test accuracy of the recipe that the command ran, a fraction.

    None where the command is not known, names a config without a published figure, or changes a
    field of it; and where the package lies without its `results` folder.
    """
    name = _config_name(command or [])
    if name is None:
        return None
    if ":" not in name and (variant := _default_variant(name)):
        name = f"{name}:{variant}"
    return _figures().get(name)


def _default_variant(stem: str) -> str:
    """What `get_config` of a config file takes where no variant is named; "" for none."""
    try:
        tree = ast.parse((_CHECKOUT / "configs" / f"{stem}.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return ""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    defaults = [node.args.defaults for node in functions if node.name == "get_config"]
    return str(defaults[0][0].value) if defaults and defaults[0] else ""


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
            if not _is_of_checkout(Path(path)):
                return None
            name = ":".join(part for part in (Path(path).stem, variant) if part)
    return name


def _is_of_checkout(path: Path) -> bool:
    """Whether a config file is one of the checkout's; a path may be relative to its root."""
    return (_CHECKOUT / path).resolve().parent == _CHECKOUT / "configs"


def _changes_recipe(flag: str) -> bool:
    field = flag.removeprefix("config.")
    return field != flag and not field.startswith(HARMLESS)


@functools.cache
def _figures() -> dict[str, float]:
    try:
        return read_json(_FILE)
    except UserError:  # an installed package has no such folder
        return {}

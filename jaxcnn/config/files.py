"""Config files: their variants, and the choice of one."""

import functools
import inspect
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.errors import UserError


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

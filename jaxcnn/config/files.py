"""Config files: each declares its `VARIANTS` and a `get_config(variant)`."""

import functools
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ml_collections import ConfigDict

from jaxcnn.errors import UserError

Variant = TypeVar("Variant")


def choose(variant: str, variants: Mapping[str, Variant]) -> Variant:
    """Return the entry of a variant, the name after the colon in `--config=FILE:VARIANT`.

    Raises:
      UserError: there is no such variant.
    """
    if variant not in variants:
        raise UserError(f"no variant {variant!r}; allowed is one of {', '.join(variants)}")
    return variants[variant]


def config_variants(folder: Path) -> dict[str, Callable[[], ConfigDict]]:
    """Return a function for each config file and variant of a folder, which makes its config.

    The names are those of files and variants, such as `lenet:cifar100`.
    """
    configs: dict[str, Callable[[], ConfigDict]] = {}
    for path in sorted(folder.glob("*.py")):
        module: dict[str, Any] = runpy.run_path(str(path))
        get_config = module["get_config"]
        for variant in module.get("VARIANTS", ()):
            configs[f"{path.stem}:{variant}"] = functools.partial(get_config, variant)
        if "VARIANTS" not in module:
            configs[path.stem] = get_config
    return configs

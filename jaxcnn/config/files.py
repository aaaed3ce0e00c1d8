"""Configs by name or path: recipes, config files, and the `config.json` of a run.

A config file declares its `VARIANTS` and a `get_config(variant)`. The recipes are the config files
that come with jaxcnn.
"""

import contextlib
import functools
import inspect
import os
import runpy
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ml_collections import ConfigDict

from jaxcnn.config.beside import find_beside
from jaxcnn.config.defaults import from_dict
from jaxcnn.config.help import guess_value
from jaxcnn.config.parts import parts_of_a_file
from jaxcnn.config.typed import WrongType
from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path
from jaxcnn.files.reading import read_json
from jaxcnn.text import one_line

Variant = TypeVar("Variant")
_PACKAGE = Path(__file__).parents[1]
_SAVED = ".json"  # the suffix of a run's config


def choose(variant: str, variants: Mapping[str, Variant]) -> Variant:
    """Return the entry of a variant, the name after the colon in `--config=FILE:VARIANT`.

    Raises:
      UserError: there is no such variant.
    """
    if variant not in variants:
        raise UserError(f"no variant {variant!r}; allowed is one of {', '.join(variants)}")
    return variants[variant]


def config_variants(folder: Path) -> dict[str, Callable[[], ConfigDict]]:
    """Return the functions that make the configs of a folder, one per file and variant.

    The keys are names such as `lenet:cifar100`.
    """
    configs: dict[str, Callable[[], ConfigDict]] = {}
    for name, path in _config_files(folder).items():
        module: dict[str, Any] = runpy.run_path(str(path))
        get_config = module["get_config"]
        for variant in module.get("VARIANTS", ()):
            configs[f"{name}:{variant}"] = functools.partial(get_config, variant)
        if "VARIANTS" not in module:
            configs[name] = get_config
    return configs


def load_config(name_or_path: str | Path) -> ConfigDict:
    """Return a config of its own, which the caller may change.

    Args:
      name_or_path: a recipe such as "googlenet" or "googlenet:cifar100", a config file such as
        "mine.py" or "mine.py:large", or the `config.json` of a run. An existing file takes
        precedence over a recipe of the same name.

    Raises:
      UserError: there is no such config or variant, or its file has an error.
    """
    path, variant = _find(str(name_or_path))
    if path.suffix == _SAVED:
        return _load_saved(path)
    with _naming(path):
        config = _call(_run(path), path, variant)
    if not isinstance(config, ConfigDict):
        kind = type(config).__name__
        raise UserError(f"{path}: get_config() must return a ConfigDict, not {kind}")
    return config


def register_file(path: str) -> None:
    """Run a user's Python file, which registers parts: networks, losses, metrics, ….

    Raises:
      UserError: there is no such file, or it has an error.
    """
    if not _is_file(path):
        raise UserError(f"--register={path}: there is no such file")
    file = user_path(path)
    with _naming(file):
        _run(file)


def load_sweep(text_or_file: str, flag: str = "--sweep") -> str:
    """Return the text of a sweep or a search.

    Args:
      text_or_file: the text itself; a Python file whose `SWEEP` is the text, in a line or several;
        or the name of such a file in `configs/sweeps`, such as "lenet5_rates".
      flag: begins the line of an error.

    Raises:
      UserError: there is no such file, or it has no such text.
    """
    kept = _recipes() / "sweeps" / f"{text_or_file}.py"
    is_kept = text_or_file.isidentifier() and kept.exists()
    if not is_kept and not text_or_file.endswith(".py"):
        return text_or_file
    if not is_kept and not _is_file(text_or_file):
        raise UserError(f"{flag}={text_or_file}: there is no such file")
    path = kept if is_kept else user_path(text_or_file)
    with _naming(path):
        text = runpy.run_path(str(path)).get("SWEEP")
    if not isinstance(text, str):
        raise UserError(f"{path}: has no SWEEP, a text such as 'seed=0..4'")
    return ";".join(text.splitlines())


def config_name(name_or_path: str) -> str:
    """Return the name of a config for files and folders, such as "lenet-cifar100".

    For a run's `config.json` it is the name of the run's folder with "-again".
    """
    path, variant = _find(name_or_path)
    if path.suffix == _SAVED:
        return f"{path.absolute().parent.name}-again"
    return "-".join(part for part in (path.stem, variant) if part)


def run_of_config(name_or_path: str | Path) -> Path | None:
    """Return the folder of the run whose `config.json` is named; None for another config."""
    path = user_path(str(name_or_path))
    return path.parent if path.suffix == _SAVED else None


def _recipes() -> Path:
    """Return the folder of the recipes, which in a checkout is beside the package."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def _config_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}


def _find(name_or_path: str) -> tuple[Path, str | None]:
    """Return the file of a config, and the variant, which is None if no colon names one.

    Raises:
      UserError: there is no such config.
    """
    if _is_file(name_or_path):
        return user_path(name_or_path), None
    name, colon, variant = name_or_path.partition(":")
    if not _is_file(name):
        return _find_recipe(name), variant if colon else None
    return user_path(name), variant if colon else None


def _is_file(text: str) -> bool:
    path = user_path(text) if text else None
    return path is not None and os.path.exists(path) and not os.path.isdir(path)


def _find_recipe(name: str) -> Path:
    recipes = _config_files(_recipes())
    if name in recipes:
        return recipes[name]
    if not name:
        raise UserError("the config has no name; give a recipe such as lenet, or a config file")
    if os.path.isdir(user_path(name)):
        raise UserError(f"{name}: is a folder; give a config file, or the config.json of a run")
    stem = Path(name).stem
    if stem in recipes:
        raise UserError(f"{name}: there is no such file; the recipe is named {stem}")
    guess = guess_value(stem, recipes)
    raise UserError(f"{name}: there is no such config file, and no recipe of this name{guess}")


def _load_saved(path: Path) -> ConfigDict:
    saved = read_json(path)
    if not isinstance(saved, dict):
        raise UserError(f"{path}: is not the config of a run")
    try:
        return from_dict(saved)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is not the config of a run ({one_line(error)})") from error


def _call(module: Mapping[str, Any], path: Path, variant: str | None) -> Any:
    """Return the result of a config file's `get_config`, called with the variant if there is one.

    Raises:
      UserError: the file has no such function, or the function takes no variant.
    """
    get_config = module.get("get_config")
    if not callable(get_config):
        raise UserError(f"{path}: has no function get_config")
    arguments = [] if variant is None else [variant]
    try:
        inspect.signature(get_config).bind(*arguments)
    except TypeError as error:
        given = "no variant" if variant is None else f"the variant {variant!r}"
        raise UserError(f"{path}: get_config() cannot be called with {given}") from error
    return get_config(*arguments)


def _run(path: Path) -> dict[str, Any]:
    """Run a Python file; return its variables. It can import files beside it, as a script can."""
    if path.parent != _recipes():
        find_beside(path)
    with parts_of_a_file():
        return runpy.run_path(str(path))


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise any error of the block as a `UserError` that names the user's file and the line."""
    try:
        yield
    except UserError as error:
        if not isinstance(error, WrongType):
            raise
        raise UserError(_fault(path, error)) from error
    except (Exception, SystemExit) as error:  # the user's Python may raise anything
        raise UserError(_fault(path, error)) from error


def _fault(path: Path, error: BaseException) -> str:
    """Return an error in a user's file as one line, with the number of the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        numbers.append(error.lineno)
    place = f"line {numbers[-1]}: " if numbers and numbers[-1] else ""
    if isinstance(error, WrongType):
        return f"{path}: {place}{error}"
    if isinstance(error, SystemExit):
        return f"{path}: {place}the file ends the program; remove the call of sys.exit or exit"
    message = error.msg if isinstance(error, SyntaxError) else one_line(error)
    return f"{path}: {place}{type(error).__name__}: {message}"

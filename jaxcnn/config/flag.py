"""The flags `--config`, `--config.FIELD=VALUE` that change its fields, and `--register`."""

import os
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxcnn.config.files import config_name, load_config, register_file, run_of_config

flags.disclaim_key_flags()  # flags belong to the module that calls `config_flag`


class _ConfigParser(flags.ArgumentParser):
    """Loads the config that a flag names; a misspelled field cannot be set."""

    def parse(self, argument: str) -> ConfigDict:
        """Return the config."""
        return load_config(argument).lock()


def config_flag(help_text: str) -> flags.FlagHolder[Any]:
    """Define the flag `--config`, which holds a config, or None if it is not given."""
    holder = config_flags.DEFINE_config_file("config", None, help_text)
    flags.FLAGS["config"].parser = _ConfigParser()
    return holder


def given_name() -> str:
    """Return the name of the config that `--config` was given, such as "lenet-cifar100"."""
    return config_name(_given())


def given_run() -> Path | None:
    """Return the folder of the run whose `config.json` was given to `--config`, if one was."""
    return run_of_config(_given())


def _given() -> str:
    return config_flags.get_config_filename(flags.FLAGS["config"])


class _RegisterParser(flags.ArgumentParser):
    """Runs the files that a flag names."""

    syntactic_help = "a Python file, or several with commas between them"

    def flag_type(self) -> str:
        """Return the type's name for `--help`."""
        return "file"

    def parse(self, argument: str) -> str:
        """Run the files, and return the argument."""
        for path in [argument] if os.path.isfile(argument) else argument.split(","):
            register_file(path)
        return argument


def register_flag() -> None:
    """Define the flag `--register`, which may be repeated; each file is run as it is parsed."""
    flags.DEFINE_multi(
        _RegisterParser(),
        flags.ArgumentSerializer(),
        "register",
        None,
        "Your Python file that registers parts (@jaxcnn.network, @jaxcnn.loss, …); repeatable.",
    )


def register_first(argv: list[str]) -> list[str]:
    """Return the arguments with `--register` before the others.

    A config file may name parts that another file registers.
    """
    names, first, others = ("-register", "--register"), [], argv[:1]
    rest = iter(argv[1:])
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument in names:
            first += [argument, *[value for value in [next(rest, None)] if value is not None]]
        elif argument.partition("=")[0] in names:
            first.append(argument)
        else:
            others.append(argument)
    return [*others[:1], *first, *others[1:]]

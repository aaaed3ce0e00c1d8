"""The flag `--config`, and the flags `--config.FIELD=VALUE` that change its fields."""

from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxcnn.config.files import config_name, load_config

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
    return config_name(config_flags.get_config_filename(flags.FLAGS["config"]))

"""The config of a run: checked against the registries, and read from the run's folder."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.config.check import Registries, check_fields, rule_of
from jaxcnn.config.defaults import from_dict
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.help import describe_fields
from jaxcnn.models import check_options, network_names, network_options
from jaxcnn.optim.optimizers import OPTIMIZERS
from jaxcnn.optim.schedules import BATCH_SCALINGS, SCHEDULES
from jaxcnn.workdir import run_files


def registries() -> Registries:
    """Return the names that the rules of `config/fields.py` refer to."""
    return {
        "networks": network_names(),
        "optimizers": list(OPTIMIZERS),
        "schedules": list(SCHEDULES),
        "batch scalings": list(BATCH_SCALINGS),
    }


def check_config(config: ConfigDict) -> None:
    """Check a config before anything is read or written.

    Raises:
      UserError: a field is wrong; the line names it, its value and the allowed values.
    """
    check_fields(config, registries())
    check_options(**config.model)


def describe_config() -> str:
    """Return the tables of all fields and of all networks' options, for `--help`."""
    names = registries()
    allowed = {}
    for name, field in FIELDS.items():
        if rule := rule_of(field, names):
            allowed[name] = rule.allowed
        elif isinstance(field.default, bool):
            allowed[name] = "True or False"
    return describe_fields(allowed, {name: network_options(name) for name in network_names()})


def read_config(workdir: Path) -> ConfigDict:
    """Return the config of a run; fields that an older run lacks get their older defaults.

    Raises:
      UserError: `config.json` is missing, damaged, or not a run's.
    """
    with run_files.refusing_damage(workdir / "config.json"):
        config = from_dict(run_files.read_part(workdir, "config.json"))
        check_config(config)
    return config

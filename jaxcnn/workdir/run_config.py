"""The config of a run: checked against the registries, and read from the run's folder."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.config.check import Registries, check_fields, check_values, rule_of
from jaxcnn.config.defaults import from_dict
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.help import describe_fields
from jaxcnn.config.parts import names_of
from jaxcnn.models import check_options, network_names, network_options
from jaxcnn.optim.losses import LOSSES
from jaxcnn.optim.optimizers import OPTIMIZERS
from jaxcnn.optim.schedules import BATCH_SCALINGS, SCHEDULES
from jaxcnn.workdir import run_files
from jaxcnn.workdir.run_data import refuse_arrays_of
from jaxcnn.workdir.run_parts import recorded_parts, require_parts

# the key in `registries` of each kind of part
_KEY_OF = {
    "network": "networks",
    "augmentation": "augmentations",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "loss": "losses",
    "metric": "metrics",
}


def registries() -> Registries:
    """Return the names that the rules of `config/fields.py` refer to."""
    return {
        "networks": network_names(),
        "augmentations": names_of("augmentation"),
        "optimizers": list(OPTIMIZERS),
        "schedules": list(SCHEDULES),
        "losses": list(LOSSES),
        "metrics": names_of("metric"),
        "batch scalings": list(BATCH_SCALINGS),
    }


def check_config(config: ConfigDict, *runs: Path | None) -> None:
    """Check a config before anything is read or written.

    Args:
      config: the config.
      runs: the folders of runs whose records may name the file of an unregistered part.

    Raises:
      UserError: a field is wrong; the line names it, its value and the allowed values.
    """
    for workdir in filter(None, runs if isinstance(config, ConfigDict) else ()):
        require_parts(workdir, config)
    check_fields(config, registries())
    check_options(**config.model)


def check_given_config(config: ConfigDict, run: Path | None, workdir: Path | None = None) -> None:
    """Check the config of a command or a call, which may be that of another run.

    Args:
      config: the config.
      run: the folder whose `config.json` it is; None for another config.
      workdir: the folder of the run that the config trains; None if it trains none.

    Raises:
      UserError: see `check_config`; or the config names the arrays of the other run.
    """
    check_config(config, run, workdir)
    if run and (workdir is None or run.resolve() != workdir.resolve()):
        refuse_arrays_of(run, config)


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

    The user's network must be registered if the config names one; other parts need not be.

    Raises:
      UserError: `config.json` is missing, damaged, or not a run's; or the user's file with the
        network is not registered.
    """
    names = {key: list(registered) for key, registered in registries().items()}
    for part in recorded_parts(workdir):
        if part["kind"] in _KEY_OF:
            names[_KEY_OF[part["kind"]]].append(part["name"])
    with run_files.refusing_damage(workdir / "config.json"):
        config = from_dict(run_files.read_part(workdir, "config.json"))
        check_values(config, names)
    require_parts(workdir, config, ["network"])
    with run_files.refusing_damage(workdir / "config.json"):
        check_options(**config.model)
    return config

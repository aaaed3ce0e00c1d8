"""The arguments of `train`: the config, the data and the hooks, checked."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.config.files import load_config, run_of_config
from jaxcnn.config.phases import canonical
from jaxcnn.data.class_selection import select_classes
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.loading import check_data
from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path
from jaxcnn.training.stopping import Hook
from jaxcnn.workdir.extending import adopt_phases, adopt_recorded_names
from jaxcnn.workdir.run_config import check_config, check_given_config
from jaxcnn.workdir.run_data import (
    adopt_batch_size,
    adopt_dataset,
    adopt_older_rules,
    load_run_data,
)


@dataclasses.dataclass(frozen=True)
class Source:
    """The place of a run's data.

    Attributes:
      dataset: given from Python; None for the one that the config names.
      data_at: the place of the data; None for the one in the config.
    """

    dataset: Dataset | None = None
    data_at: Path | None = None

    def load(self, config: ConfigDict, workdir: Path) -> Dataset:
        """Return the dataset of a new or resumed run, checked against its config.

        Raises:
          UserError: it cannot be loaded, or does not fit the config.
        """
        if self.dataset is None:
            return load_run_data(config, workdir, self.data_at)
        dataset = select_classes(self.dataset, config.dataset.classes)
        check_data(config, dataset)
        return dataset


def checked_config(
    config: ConfigDict | str | Path, dataset: Dataset | None, workdir: Path
) -> ConfigDict:
    """Return a checked copy of a config; it names the given dataset, if there is one.

    Args:
      config: a config, or what `load_config` takes.
      dataset: given from Python; None for the one that the config names.
      workdir: the run's folder, whose record may name the file of an unregistered part.

    Raises:
      UserError: the config or the dataset is wrong.
    """
    run = None
    if isinstance(config, (str, Path)):
        run = run_of_config(config) if dataset is None else None
        config = load_config(config)
    if not isinstance(config, ConfigDict):
        kind = type(config).__name__
        raise UserError(f"config: is {kind}; it must be a config, or what load_config takes")
    config = config.copy_and_resolve_references()
    check_given_config(config, run, workdir)
    config.phases = canonical(config.phases)
    if dataset is not None:
        if not isinstance(dataset, Dataset):
            kind = type(dataset).__name__
            raise UserError(f"dataset: is {kind}; make a jaxcnn.Dataset with Dataset.from_arrays")
        adopt_dataset(config, dataset)
        adopt_recorded_names(config, dataset, workdir)
        check_config(config, workdir)  # some fields are the dataset's from here on
    return config


def check_workdir(workdir: str | Path) -> Path:
    """Return the path of a run's folder, with ~ expanded.

    Raises:
      UserError: it is no path.
    """
    if not isinstance(workdir, (str, os.PathLike)):
        kind = type(workdir).__name__
        raise UserError(f"workdir: is {kind}; it must be a folder: train(config, workdir, dataset)")
    return user_path(os.fspath(workdir))


def adopt_from_run(config: ConfigDict, workdir: Path) -> None:
    """Give a config what the run in a folder has settled, such as a batch size that it found."""
    adopt_older_rules(config, workdir)
    adopt_phases(config, workdir)
    adopt_batch_size(config, workdir)


def check_hooks(hooks: Iterable[Hook]) -> list[Hook]:
    """Return the hooks as a list.

    Raises:
      UserError: one of them cannot be called, or they are no list.
    """
    if callable(hooks) or not isinstance(hooks, Iterable):
        kind = "a callable" if callable(hooks) else type(hooks).__name__
        raise UserError(f"hooks: is {kind}; give a list of callables")
    hooks = list(hooks)
    for hook in hooks:
        if not callable(hook):
            raise UserError(f"hooks: {hook!r} must be a callable")
    return hooks

"""The training of the folds of a cross-validation: together where it is possible."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source, adopt_from_run, checked_config
from jaxcnn.api.members import divergence_of, not_again, refuse_another_recipe, result_of
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_programs import Trainer
from jaxcnn.api.run import complete_report, train
from jaxcnn.api.together import Members
from jaxcnn.config.sweep import with_values
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.errors import Diverged, UserError
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.process import group
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import make_member_runs
from jaxcnn.training.run import describe_data
from jaxcnn.training.variation import check_population
from jaxcnn.workdir.folder import lock_folder
from jaxcnn.workdir.run_files import read_part

_OTHERS = {"config.json", "sweep.json", "search.json"}  # of a run, a sweep or a search


@dataclasses.dataclass(frozen=True)
class FoldTraining:
    """The runs of a cross-validation.

    Attributes:
      config: the config of all folds.
      num_folds: the number of folds.
      workdir: the folder of all folds.
      data_at: see `train`.
      quiet: see `train`.
    """

    config: ConfigDict
    num_folds: int
    workdir: Path
    data_at: Path | None
    quiet: bool

    @property
    def folders(self) -> list[Path]:
        """The folder of each fold."""
        return [self.workdir / "folds" / str(fold) for fold in range(self.num_folds)]

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Lock the folder of all folds during the block.

        Raises:
          UserError: the folder holds something else, cannot be written, or another process trains
            in it.
        """
        check_for_checkpoints(self.workdir)
        refuse_among_pictures(self.workdir, self.config.dataset.name, "name another --workdir")
        lock = lock_folder(self.workdir, self._check_content)
        try:
            yield
        finally:
            lock.release()

    def _check_content(self) -> None:
        """Check that the folder is empty or holds folds."""
        files = {file.name for file in self.workdir.iterdir() if not file.name.startswith(".")}
        if files and ("folds" not in files or files & _OTHERS):
            raise UserError(f"{self.workdir}: holds files but no folds; name another --workdir")

    def train(self, console: Console) -> list[dict[str, Any]]:
        """Train the folds that are left; return the content of each one's `result.json`.

        Raises:
          UserError: see `train`.
          Diverged: the loss of a fold is not finite.
          Stopped: see `train`.
        """
        configs, source = self._configs(num_devices=1), Source(data_at=self.data_at)
        if self._were_begun_apart():
            return self._train_apart(console)
        if all(map(result_of, self.folders, configs)):
            return self._finish(configs, source, console)
        dataset = source.load(configs[0], self.folders[0])
        source = Source(dataset, self.data_at)
        try:
            members = self._together(configs, dataset)
        except UserError as error:
            console.print(f"the folds train one after the other: {error}")
            return self._train_apart(console)
        for folder, config in zip(self.folders, configs, strict=True):
            refuse_another_recipe(folder, config)
        return self._train_together(members, source, console)

    def _were_begun_apart(self) -> bool:
        """Return whether there are folds that were trained one after the other."""
        begun = [folder for folder in self.folders if (folder / "config.json").exists()]
        return any(read_part(folder, "config.json").get("num_devices") != 1 for folder in begun)

    def _configs(self, **values: Any) -> list[ConfigDict]:
        """Return the checked config of each fold, with other values of some fields.

        It has what a fold that has begun has settled, see `adopt_from_run`.
        """
        values |= {"validation": "fold", "folds": self.num_folds}
        configs = []
        for fold, folder in enumerate(self.folders):
            config = checked_config(with_values(self.config, values | {"fold": fold}), None, folder)
            adopt_from_run(config, folder)
            configs.append(config)
        return configs

    def _together(self, configs: list[ConfigDict], dataset: Dataset) -> Members:
        """Return the folds as members of a population.

        Raises:
          UserError: one compiled step cannot train them, or they do not fit the data.
        """
        if group.is_group():
            raise UserError("there are several processes")
        check_population(configs, are_folds=True)
        try_metrics(self.config.metrics, dataset.class_names)
        runs = make_member_runs(configs, dataset, are_folds=True)
        return Members(
            self.workdir,
            dict(enumerate(self.folders)),
            dict(enumerate(configs)),
            dict(enumerate(runs)),
            self.config.num_devices,
            describe=lambda member_run: describe_data(member_run.run),
        )

    def _train_together(
        self, members: Members, source: Source, console: Console
    ) -> list[dict[str, Any]]:
        for folder in self.folders:
            if diverged := divergence_of(folder):
                raise Diverged(f"{folder}: {not_again(folder, diverged['reason'])}")
        configs = [members.configs[fold] for fold in range(self.num_folds)]
        left = [fold for fold in members.runs if not result_of(self.folders[fold], configs[fold])]
        shown = PopulationConsole(console, {fold: {"fold": fold} for fold in range(self.num_folds)})
        with contextlib.closing(Trainer()) as trainer:
            failures = members.train(left, self.data_at, shown, trainer)
        for fold, failure in failures.items():
            raise Diverged(f"{self.folders[fold]}: {failure}")
        return self._finish(configs, source, console)

    def _train_apart(self, console: Console) -> list[dict[str, Any]]:
        rows, configs = [], self._configs()
        for folder, config in zip(self.folders, configs, strict=True):
            refuse_another_recipe(folder, config)
        for fold, (folder, config) in enumerate(zip(self.folders, configs, strict=True)):
            console.print(f"fold {fold + 1} of {self.num_folds}, in {folder}")
            rows.append(train(config, folder, quiet=self.quiet, data_at=self.data_at).values)
        return rows

    def _finish(
        self, configs: list[ConfigDict], source: Source, console: Console
    ) -> list[dict[str, Any]]:
        """Write what is left of the reports, and return the results."""
        console.print(
            f"writing what is left of the reports of the runs in {self.workdir / 'folds'}"
        )
        rows = []
        for folder, config in zip(self.folders, configs, strict=True):
            if ended := result_of(folder, config):  # true of each one here
                rows.append(complete_report(folder, config, ended, Console(quiet=True), source))
        return rows

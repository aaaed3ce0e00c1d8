"""Trains trials of a search: those that train together are the members of a population."""

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source, own_config
from jaxcnn.api.members import Ends, Opener, Trainer, fit_form, result_of
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_folder import member_folder
from jaxcnn.api.search.scores import Score, score_of_member, score_of_result
from jaxcnn.config.sweep import Assignment, with_values
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member, make_mold
from jaxcnn.training.member_programs import Form
from jaxcnn.training.population import Population
from jaxcnn.training.run import describe_data
from jaxcnn.training.transfer import load_start
from jaxcnn.training.worker_population import WorkerPopulation


class TrialTrainer:
    """Trains trials of a search, one population after another, with the same compiled steps.

    Args:
      config: the checked config that the search varies.
      fields: the names of the fields that vary.
      workdir: the search's folder.
      source: the place of the data.
      console: shows the training.

    Attributes:
      source: the data, loaded.
      mold: the parts that all members share.
    """

    def __init__(
        self,
        config: ConfigDict,
        fields: Iterable[str],
        workdir: Path,
        source: Source,
        console: Console,
    ):
        self._workdir, self._console = workdir, console
        self._num_devices = config.num_devices
        self._config = with_values(config, {"num_devices": 1})
        dataset = source.load(self._config, member_folder(workdir, 0))
        try_metrics(config.metrics, dataset.class_names)
        self.source = Source(dataset, source.data_at)
        self.mold = make_mold(self._config, dataset, fields)
        self._description = describe_data(self.mold.run)
        self._load_weights = functools.cache(lambda: load_start(self._config))
        self._trainer = Trainer(self.mold)

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole run."""
        return self.mold.run.plan.num_epochs

    @contextlib.contextmanager
    def open(self, trials: Mapping[int, Assignment]) -> Iterator["LiveTrials"]:
        """Open the folders of trials, new ones or resumed ones, until the end of the block.

        Args:
          trials: the fields' values of each trial, by its number.

        Raises:
          UserError: the config or the folder of a trial is wrong.
        """
        shown = PopulationConsole(self._console, values := dict(trials))
        with contextlib.ExitStack() as stack:
            opener = Opener(
                stack, lambda _: self._description, self.source, shown, self._load_weights
            )
            yield LiveTrials(self, opener, values)

    def config(self, number: int, values: Assignment) -> ConfigDict:
        """Return the checked config of a trial."""
        return own_config(with_values(self._config, values), None, self.folder(number))

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return member_folder(self._workdir, number)

    def form(self, num_members: int) -> Form:
        """Return the form in which a call trains so many members."""
        return fit_form(self.mold.run, num_members, self._num_devices)

    def population(self, members: Sequence[Member | None]) -> Population | WorkerPopulation:
        """Return a population of trials; None for one that has ended, whose slot stays."""
        return self._trainer.population(members, self.form(len(members)))

    def close(self) -> None:
        """End the processes that train."""
        self._trainer.close()

    def ends(self, members: Mapping[int, Member], shown: PopulationConsole) -> Ends:
        """Return the object that tests members when they end."""
        return Ends(members, self.folder, shown)


class LiveTrials:
    """Trials in open folders, which train together; some may be dropped, and others join them.

    Args:
      trainer: trains them.
      opener: opens their folders.
      values: the fields' values of each trial, by its number; trials that join are added.
    """

    def __init__(self, trainer: TrialTrainer, opener: Opener, values: dict[int, Assignment]):
        self._trainer, self._opener, self._values = trainer, opener, values
        self._members: dict[int, Member] = {}
        self._ended: dict[int, Score] = {}  # of trials that ended in an earlier process
        for number in list(values):
            self.join(number, values[number])
        if self._members:
            opener.shown.resume(self._members)
        self._ends = trainer.ends(self._members, opener.shown)
        self._ends.report()  # the members that were killed before their test

    def join(self, number: int, values: Assignment) -> None:
        """Open the folder of a trial, and train it with the others from then on."""
        self._values[number] = values
        config, folder = self._trainer.config(number, values), self._trainer.folder(number)
        if result := result_of(folder, config):
            self._ended[number] = score_of_result(folder, config, result)
        else:
            member_run = self._trainer.mold.member_run(config)
            self._members[number] = self._opener.open(number, folder, member_run)

    def train(self, num_epochs: float = math.inf) -> None:
        """Train the trials to their ends, or until they have finished some epochs.

        Raises:
          Stopped: a signal asked for it; all trials are saved.
        """
        if any(member.is_training for member in self._members.values()):
            slots = [self._members.get(number) for number in self._values]  # ended ones keep theirs
            self._trainer.population(slots).train(self._ends.report, num_epochs)

    def scores(self, weights: str) -> dict[int, Score]:
        """Return the scores of all trials by number; `weights` is "best" or "last"."""
        members = {n: score_of_member(member, weights) for n, member in self._members.items()}
        return self._ended | members

    def is_training(self, number: int) -> bool:
        """Return whether a trial has steps left."""
        return number in self._members and self._members[number].is_training

    def save(self, number: int) -> None:
        """Save a trial where it is."""
        self._members[number].save_to_stop()

    def drop(self, number: int) -> None:
        """Save a trial, and train it no more."""
        self.save(number)
        del self._members[number], self._values[number]

"""Trains trials of a search: those that one compiled step can train are a population."""

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from ml_collections import ConfigDict

from jaxcnn.api.members import Ends, Opener, Trainer, fit_form, result_of
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.search.programs import Programs
from jaxcnn.api.search.scores import Score, score_of_member, score_of_result
from jaxcnn.config.sweep import Assignment
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member
from jaxcnn.training.member_programs import Form
from jaxcnn.training.population import Population
from jaxcnn.training.run import Run
from jaxcnn.training.variation import fields_of, program_of
from jaxcnn.training.worker_population import WorkerPopulation


class TrialTrainer:
    """Trains trials of a search, one batch after another, with the same processes.

    Args:
      programs: of the search.
      num_devices: devices over which trials are spread; 0 for all.
      console: shows the training.
    """

    def __init__(self, programs: Programs, num_devices: int, console: Console):
        self.programs, self._num_devices, self._console = programs, num_devices, console
        self._trainer = Trainer()

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
                stack, lambda trial: trial.mold.description, self.programs.data_at, shown
            )
            yield LiveTrials(self, opener, values)

    def form(self, runs: Sequence[Run]) -> Form:
        """Return the form in which trials train together."""
        return fit_form(runs, self._num_devices)

    def population(self, slots: Sequence[Member | None]) -> Population | WorkerPopulation:
        """Return a population of trials; None for one that has ended, whose slot stays."""
        return self._trainer.population(slots, self.form(_runs_of(slots)))

    def close(self) -> None:
        """End the processes that train."""
        self._trainer.close()


def _runs_of(slots: Sequence[Member | None]) -> list[Run]:
    """Return the run of each slot; that of another one for a trial that has ended."""
    lead = next(member for member in slots if member)
    return [(member or lead).run for member in slots]


class LiveTrials:
    """Trials in open folders, which train together; some may be dropped, and others join them.

    Args:
      trainer: trains them.
      opener: opens their folders.
      values: the fields' values of each trial, by its number; trials that join are added.
    """

    def __init__(self, trainer: TrialTrainer, opener: Opener, values: dict[int, Assignment]):
        self._trainer, self._opener, self._values = trainer, opener, values
        self._configs: dict[int, ConfigDict] = {}
        self._members: dict[int, Member] = {}
        self._ended: dict[int, Score] = {}  # of trials that ended in an earlier process
        for number in list(values):
            self.join(number, values[number])
        if self._members:
            opener.shown.resume(self._members)
        self._ends = Ends(self._members, trainer.programs.folder, opener.shown)
        self._ends.report()  # the members that were killed before their test

    def join(self, number: int, values: Assignment) -> None:
        """Open the folder of a trial, and train it with the others from then on."""
        programs = self._trainer.programs
        config, folder = programs.config(number, values), programs.folder(number)
        self._values[number], self._configs[number] = values, config
        if result := result_of(folder, config):
            self._ended[number] = score_of_result(folder, config, result)
        else:
            member_run = programs.mold(config).member_run(config)
            self._members[number] = self._opener.open(number, folder, member_run)

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole run; the same for all trials that are halved or evolve."""
        config = next(iter(self._configs.values()))
        return self._trainer.programs.mold(config).run.plan.num_epochs

    def train(self, num_epochs: float = math.inf) -> None:
        """Train the trials to their ends, or until they have finished some epochs.

        Raises:
          Stopped: a signal asked for it; all trials are saved.
        """
        groups, shown = self._groups(num_epochs), self._opener.shown
        with shown.live(self._members):
            for position, numbers in enumerate(groups, 1):
                name = f"group {position} of {len(groups)}" if len(groups) > 1 else ""
                shown.train_next(numbers, name, self._constants(numbers[0]))
                self._trainer.population(self._slots(numbers)).train(self._ends.report, num_epochs)

    def _groups(self, num_epochs: float) -> list[list[int]]:
        """Return the trials with epochs left: those of a compiled step, or all for processes."""
        programs: dict[str, list[int]] = {}
        for number in self._values:
            programs.setdefault(program_of(self._configs[number]), []).append(number)
        groups = [
            numbers
            for numbers in programs.values()
            if any(member and member.has_epochs_left(num_epochs) for member in self._slots(numbers))
        ]
        together = list(itertools.chain(*groups))
        if len(groups) > 1:
            form = self._trainer.form(_runs_of(self._slots(together)))
            return [together] if form.num_processes > 1 else groups
        return groups

    def _slots(self, numbers: Sequence[int]) -> list[Member | None]:
        """Return trials; None for one that ended in an earlier process, whose slot stays."""
        return [self._members.get(number) for number in numbers]

    def _constants(self, number: int) -> Assignment:
        """Return the values of a trial that are constants of its compiled step."""
        arrays = fields_of(self._configs[number])
        return {n: value for n, value in self._values[number].items() if n not in arrays}

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

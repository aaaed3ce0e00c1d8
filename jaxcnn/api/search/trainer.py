"""Training of the trials of a search: those that one compiled step can train are a population."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence

from jaxcnn.api.members import (
    Ends,
    Opener,
    divergence_of,
    not_again,
    refuse_another_recipe,
    result_of,
)
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_programs import Trainer, fit_form
from jaxcnn.api.search.programs import Programs
from jaxcnn.api.search.scores import Score, diverged_score, score_of_member, score_of_result
from jaxcnn.config.sweep import Assignment
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member, Template
from jaxcnn.training.member_programs import Form
from jaxcnn.training.plan import Plan
from jaxcnn.training.population import Population
from jaxcnn.training.run import Run
from jaxcnn.training.variation import fields_of
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
                stack, lambda trial: trial.template.description, self.programs.data_at, shown
            )
            yield LiveTrials(self, opener, values)

    def form(self, runs: Sequence[Run]) -> Form:
        """Return the form in which trials train together."""
        return fit_form(runs, self._num_devices, self._trainer.num_processes)

    def population(
        self, slots: Sequence[Member | None], form: Form
    ) -> Population | WorkerPopulation:
        """Return a population of trials; None for one that has ended, whose slot stays."""
        return self._trainer.population(slots, form)

    def close(self) -> None:
        """End the processes that train."""
        self._trainer.close()


class LiveTrials:
    """Trials in open folders, which train together; some may be dropped, and others join them.

    Args:
      trainer: trains them.
      opener: opens their folders.
      values: the fields' values of each trial, by its number; trials that join are added.
    """

    def __init__(self, trainer: TrialTrainer, opener: Opener, values: dict[int, Assignment]):
        self._trainer, self._opener, self._values = trainer, opener, values
        self._templates: dict[int, Template] = {}
        self._members: dict[int, Member] = {}
        self._ended: dict[int, Score] = {}  # of trials that ended in an earlier process
        for number in list(values):
            self.join(number, values[number])
        if self._members:
            opener.shown.resume(self._members)
        self._ends = Ends(self._members, trainer.programs.folder, opener.shown)
        self._ends.report()  # the members that were killed before their test

    def join(self, number: int, values: Assignment) -> None:
        """Open the folder of a trial, and train it with the others from then on.

        Raises:
          UserError: the config or the folder of the trial is wrong.
        """
        programs = self._trainer.programs
        config, folder = programs.config(number, values), programs.folder(number)
        if not programs.has_generations:  # else a copy takes its own values here
            refuse_another_recipe(folder, config)
        self._values[number], self._templates[number] = values, programs.template(config)
        if result := result_of(folder, config):
            self._ended[number] = score_of_result(folder, config, result)
        elif diverged := divergence_of(folder):
            self._opener.shown.warn(number, not_again(folder, diverged["reason"]))
            self._ended[number] = diverged_score(diverged["epochs"])
        else:
            member_run = self._templates[number].member_run(config)
            self._members[number] = self._opener.open(number, folder, member_run)

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole run; the same for all trials that are halved or evolve."""
        return self.plan(next(iter(self._templates))).num_epochs

    def plan(self, number: int) -> Plan:
        """Return the plan of a trial, but for the values that its compiled step takes."""
        return self._templates[number].run.plan

    def train(self, num_epochs: float = math.inf) -> None:
        """Train the trials to their ends, or until they have finished some epochs.

        Raises:
          Stopped: a signal asked for it; all trials are saved.
        """
        groups, shown = self._groups(), self._opener.shown
        with shown.live(self._members):
            for position, numbers in enumerate(groups, 1):
                slots = [self._members.get(number) for number in numbers]  # ended ones keep theirs
                if not any(member and member.has_epochs_left(num_epochs) for member in slots):
                    continue
                name = f"group {position} of {len(groups)}" if len(groups) > 1 else ""
                shown.train_next(numbers, name, self._constants(numbers[0]))
                population = self._trainer.population(slots, self._form(numbers))
                population.train(self._ends.report, num_epochs)

    def _groups(self) -> list[list[int]]:
        """Return the trials that train at a time: all in processes, else a compiled step's."""
        numbers = list(self._values)
        if self._form(numbers).num_processes > 1:
            return [numbers]
        groups: dict[Template, list[int]] = {}
        for number in numbers:
            groups.setdefault(self._templates[number], []).append(number)
        return list(groups.values())

    def _form(self, numbers: Sequence[int]) -> Form:
        """Return the form in which trials train, also if some of them have ended."""
        return self._trainer.form([self._templates[number].run for number in numbers])

    def _constants(self, number: int) -> Assignment:
        """Return the values of a trial that are constants of its compiled step."""
        arrays = fields_of(self._templates[number].run.plan.config)
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
        if number in self._members:
            self.save(number)
            del self._members[number]
        self._ended.pop(number, None)  # it diverged in an earlier process
        del self._values[number]

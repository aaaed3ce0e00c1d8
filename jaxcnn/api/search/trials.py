"""Trains trials of a search: those that are asked together are the members of a population."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source, own_config
from jaxcnn.api.members import Ends, Opener, fit_form, result_of
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_folder import member_folder
from jaxcnn.api.search.halving import Rung, make_rungs
from jaxcnn.config.sweep import Assignment, with_values
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member, make_mold
from jaxcnn.training.member_programs import Form, MemberPrograms
from jaxcnn.training.population import Population
from jaxcnn.training.run import describe_data
from jaxcnn.training.transfer import load_start
from jaxcnn.workdir.metrics_log import read_metrics


@dataclasses.dataclass(frozen=True)
class Score:
    """The validation of the weights that a run tests.

    Attributes:
      accuracy, loss: of the validation split.
      epochs: finished epochs of the training.
    """

    accuracy: float
    loss: float
    epochs: int

    @property
    def rank(self) -> tuple[float, float]:
        """The key that sorts scores, the best one first."""
        return -self.accuracy, self.loss


DIVERGED = Score(0.0, 0.0, 0)  # of a trial whose loss was not finite
OnDrop = Callable[[int, Score], None]  # gets the number and the score of a dropped trial


class TrialTrainer:
    """Trains trials of a search, one population after another, with the same compiled steps.

    Args:
      config: the checked config that the search varies.
      fields: the names of the fields that vary.
      workdir: the search's folder.
      source: the place of the data.
      console: shows the training.
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
        self._mold = make_mold(self._config, dataset, fields)
        self.run = self._mold.run
        self._description = describe_data(self.run)
        self._load_weights = functools.cache(lambda: load_start(self._config))
        self._programs: dict[Form, MemberPrograms] = {}

    def form(self, num_members: int) -> Form:
        """Return the members of a call."""
        return fit_form(self.run, num_members, self._num_devices)

    def train(
        self,
        trials: Mapping[int, Assignment],
        num_halved: int,
        on_drop: OnDrop,
    ) -> dict[int, Score]:
        """Train trials to their ends, or resume them; return the scores of those that ended.

        Args:
          trials: the fields' values of each trial, by its number.
          num_halved: members with which halving began; 0 for none.
          on_drop: called for each trial that halving drops.

        Raises:
          UserError: the config of a trial is wrong; nothing is trained.
          Stopped: a signal asked for it; all trials are saved.
        """
        configs = {
            number: own_config(with_values(self._config, values), None, self._folder(number))
            for number, values in trials.items()
        }
        left = [n for n in configs if result_of(self._folder(n), configs[n]) is None]
        failures: Mapping[int, str] = {}
        if left:
            failures = self._train(trials, configs, left, num_halved, on_drop)
        return dict.fromkeys(failures, DIVERGED) | self._scores(configs)

    def _train(
        self,
        trials: Mapping[int, Assignment],
        configs: Mapping[int, ConfigDict],
        left: Sequence[int],
        num_halved: int,
        on_drop: OnDrop,
    ) -> Mapping[int, str]:
        """Train the trials that are left; return the errors of those that diverged."""
        shown = PopulationConsole(self._console, trials)
        ended = self._scores({n: config for n, config in configs.items() if n not in left})
        with contextlib.ExitStack() as stack:
            opener = Opener(stack, self._description, self.source, shown, self._load_weights)
            members = {
                number: opener.open(
                    number, self._folder(number), self._mold.member_run(configs[number])
                )
                for number in left
            }
            shown.resume(members)
            ends = Ends(members, self._workdir, shown)
            ends.report()  # of members that were killed before their test
            slots = list(trials)
            for rung in make_rungs(num_halved, self.run.plan.num_epochs):
                self._train_slots(slots, members, ends, rung.num_epochs)
                for number, score in _dropped(rung, members, ended).items():
                    members.pop(number).save_to_stop()
                    on_drop(number, score)
                    slots.remove(number)
            self._train_slots(slots, members, ends)
        return ends.failures

    def _train_slots(
        self,
        slots: Sequence[int],
        members: Mapping[int, Member],
        ends: Ends,
        num_epochs: float = math.inf,
    ) -> None:
        """Train members to an epoch; one that has ended keeps its slot."""
        if any(member.is_training for member in members.values()):
            programs = self._programs_of(self.form(len(slots)))
            Population([members.get(n) for n in slots], programs).train(ends.report, num_epochs)

    def _programs_of(self, form: Form) -> MemberPrograms:
        if form not in self._programs:
            plan = self.run.plan
            self._programs[form] = MemberPrograms(
                self._mold.variation, form, plan.network, plan.steps_per_dispatch
            )
        return self._programs[form]

    def _folder(self, number: int) -> Path:
        return member_folder(self._workdir, number)

    def _scores(self, configs: Mapping[int, ConfigDict]) -> dict[int, Score]:
        """Return the scores of the trials that have ended."""
        results = {number: result_of(self._folder(number), configs[number]) for number in configs}
        return {
            number: _score_of_result(self._folder(number), configs[number], result)
            for number, result in results.items()
            if result
        }


def _dropped(
    rung: Rung, members: Mapping[int, Member], ended: Mapping[int, Score]
) -> dict[int, Score]:
    """Return the members that a rung drops, with their scores.

    Args:
      rung: the rung that all members have reached.
      members: those of this process; one that has ended keeps its rank.
      ended: the scores of trials that ended in an earlier process, which keep their ranks as well.
    """
    scores = dict(ended) | {number: _score_of_member(member) for number, member in members.items()}
    in_order = sorted(scores, key=lambda number: (scores[number].rank, number))
    return {
        number: scores[number]
        for number in in_order[rung.num_kept :]
        if number in members and members[number].is_training
    }


def _score_of_member(member: Member) -> Score:
    """Return the score of a member that trains, or has ended in this process."""
    if member.failure:
        return DIVERGED
    progress, epochs = member.progress, member.position.epoch
    if member.config.test_with == "last":
        return Score(progress.last_accuracy, progress.last_loss, epochs)
    return Score(progress.best_accuracy, progress.best_loss, epochs)


def _score_of_result(folder: Path, config: ConfigDict, result: Mapping[str, Any]) -> Score:
    """Return the score of a run that has ended."""
    is_best = config.test_with == "best" and result["best_epoch"]
    accuracy = result["best_validation_accuracy" if is_best else "last_validation_accuracy"]
    rows = [row for row in read_metrics(folder) if row["split"] == "validation"]
    if is_best:
        rows = [row for row in rows if row["epoch"] == result["best_epoch"]]
    return Score(accuracy, rows[-1]["loss"], result["num_epochs"])

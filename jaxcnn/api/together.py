"""The training of members together, each in a folder of its own: of a sweep, or of folds."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.members import Ends, Opener
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_programs import Trainer, fit_form
from jaxcnn.training.member import MemberRun


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a population that one compiled step trains, by their numbers.

    Attributes:
      workdir: the population's folder.
      folders: of each member.
      configs: of each member.
      runs: of each member, ready to train.
      num_devices: devices over which the members are spread; 0 for all.
      describe: returns the content of a member's `dataset.json`.
    """

    workdir: Path
    folders: Mapping[int, Path]
    configs: Mapping[int, ConfigDict]
    runs: Mapping[int, MemberRun]
    num_devices: int
    describe: Callable[[MemberRun], dict[str, Any]]

    def train(
        self,
        left: Collection[int],
        data_at: Path | None,
        shown: PopulationConsole,
        trainer: Trainer,
    ) -> dict[int, str]:
        """Train the members that are left to their ends, and test them.

        Args:
          left: the numbers of the members that are left to train or to test; one at least.
          data_at: the place of the data; None for the one in the config.
          shown: shows the progress.
          trainer: of all members.

        Returns:
          The line of the error that ended a member, by its number.

        Raises:
          Stopped: a signal asked for it; all members are saved.
          UserError: a folder or its data are wrong.
        """
        first, runs = min(self.runs), [member_run.run for member_run in self.runs.values()]
        form = fit_form(runs, self.num_devices, trainer.num_processes)
        config, run = self.configs[first], self.runs[first].run
        shown.start(config, run, self.workdir, form, len(runs), len(left))
        with contextlib.ExitStack() as stack:
            opener = Opener(stack, self.describe, data_at, shown)
            members = {
                number: opener.open(number, self.folders[number], self.runs[number])
                for number in left
            }
            shown.resume(members)
            ends = Ends(members, self.folders.__getitem__, shown)
            ends.report()  # the members that were killed before their test
            slots = [members.get(number) for number in self.runs]
            with shown.live(members):
                trainer.population(slots, form).train(ends.report)
        return ends.failures

"""The training of members together, each in a folder of its own: of a sweep, or of folds."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source
from jaxcnn.api.members import Ends, Opener, Trainer, fit_form
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.training.member import MemberRun, Mold
from jaxcnn.training.run import Run
from jaxcnn.training.transfer import load_start
from jaxcnn.training.variation import Variation


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a population that one compiled step trains, by their numbers.

    Attributes:
      workdir: the population's folder.
      folders: of each member.
      configs: of each member.
      runs: of each member, ready to train.
      variation: how they differ.
      num_devices: devices over which the members are spread; 0 for all.
      describe: returns the content of a member's `dataset.json`.
    """

    workdir: Path
    folders: Mapping[int, Path]
    configs: Mapping[int, ConfigDict]
    runs: Mapping[int, MemberRun]
    variation: Variation
    num_devices: int
    describe: Callable[[Run], dict[str, Any]]

    def train(
        self, left: Collection[int], source: Source, shown: PopulationConsole
    ) -> dict[int, str]:
        """Train the members that are left to their ends, and test them.

        Args:
          left: the numbers of the members that are left to train or to test; one at least.
          source: the place of the data.
          shown: shows the progress.

        Returns:
          The line of the error that ended a member, by its number.

        Raises:
          Stopped: a signal asked for it; all members are saved.
          UserError: a folder or its data are wrong.
        """
        first = min(self.runs)
        run, config = self.runs[first].run, self.configs[first]
        form = fit_form(run, len(self.runs), self.num_devices)
        shown.start(config, run, self.workdir, form, len(self.runs), len(left))
        with contextlib.ExitStack() as stack:
            load_weights = functools.cache(lambda: load_start(config))
            opener = Opener(stack, self.describe, source, shown, load_weights)
            members = {
                number: opener.open(number, self.folders[number], self.runs[number])
                for number in left
            }
            shown.resume(members)
            ends = Ends(members, self.folders.__getitem__, shown)
            ends.report()  # the members that were killed before their test
            slots = [members.get(number) for number in self.runs]
            trainer = stack.enter_context(contextlib.closing(Trainer(Mold(run, self.variation))))
            with shown.live(members):
                trainer.population(slots, form).train(ends.report)
        return ends.failures

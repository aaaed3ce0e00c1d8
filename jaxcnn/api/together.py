"""The training of members together, each in a folder of its own: of a sweep, or of folds."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
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
    """The members of a population, ready to train.

    Attributes:
      workdir: the population's folder.
      folders: of each member.
      configs: of each member.
      runs: of each member.
      variation: how they differ.
      num_devices: devices over which the members are spread; 0 for all.
      describe: returns the content of a member's `dataset.json`.
    """

    workdir: Path
    folders: Sequence[Path]
    configs: Sequence[ConfigDict]
    runs: Sequence[MemberRun]
    variation: Variation
    num_devices: int
    describe: Callable[[Run], dict[str, Any]]

    def train(
        self, is_left: Sequence[bool], source: Source, shown: PopulationConsole
    ) -> dict[int, str]:
        """Train the members that are left to their ends, and test them.

        Args:
          is_left: whether a member is left to train or to test; True for one at least.
          source: the place of the data.
          shown: shows the progress.

        Returns:
          The line of the error that ended a member, by its number.

        Raises:
          Stopped: a signal asked for it; all members are saved.
          UserError: a folder or its data are wrong.
        """
        run, num_members = self.runs[0].run, len(self.runs)
        form = fit_form(run, num_members, self.num_devices)
        shown.start(self.configs[0], run, self.workdir, form, list(is_left).count(True))
        with contextlib.ExitStack() as stack:
            load_weights = functools.cache(lambda: load_start(self.configs[0]))
            opener = Opener(stack, self.describe, source, shown, load_weights)
            members = {
                index: opener.open(index, self.folders[index], self.runs[index])
                for index in range(num_members)
                if is_left[index]
            }
            shown.resume(members)
            ends = Ends(members, self.folders.__getitem__, shown)
            ends.report()  # the members that were killed before their test
            slots = [members.get(index) for index in range(num_members)]
            trainer = stack.enter_context(contextlib.closing(Trainer(Mold(run, self.variation))))
            with shown.live(members):
                trainer.population(slots, form).train(ends.report)
        return ends.failures

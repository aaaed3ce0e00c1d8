"""Goals of a comparison: a validation accuracy to reach, and a limit on the parameters."""

import dataclasses

from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.series import series


@dataclasses.dataclass(frozen=True)
class Goal:
    """An accuracy to reach, and a limit on the parameters.

    Attributes:
      accuracy: the lowest validation accuracy, a fraction; None for no goal.
      max_parameters: the largest number of parameters; None for no limit.
    """

    accuracy: float | None = None
    max_parameters: int | None = None

    def __bool__(self) -> bool:
        return self.accuracy is not None or self.max_parameters is not None

    def first_epoch(self, run: SavedRun) -> int | None:
        """Return the first epoch with the validation accuracy; None if no epoch has it."""
        if self.accuracy is None:
            return None
        accuracies = series(run.rows, "validation", "accuracy")
        return next((e for e, value in accuracies.items() if value >= self.accuracy), None)

    def first_epochs(self, group: RecipeGroup) -> MeanAndStd | None:
        """Return `first_epoch` over the runs that reached the accuracy; None if no run did."""
        return MeanAndStd.of(map(self.first_epoch, group.shown))

    def is_within(self, group: RecipeGroup) -> bool | None:
        """Return whether a group's network is within the limit; None if that is unknown."""
        parameters = group.result("parameters")
        if self.max_parameters is None or parameters is None:
            return None
        return parameters.mean <= self.max_parameters


NO_GOAL = Goal()

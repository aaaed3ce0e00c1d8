"""The outcome of a sweep: its recipes, the best validation accuracy first."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup, Section, as_section
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.comparison.runs import SavedRun, read_runs
from jaxcnn.reporting.comparison.statistics import Interval

_SEED = "seed"


@dataclasses.dataclass(frozen=True)
class SweptRecipe:
    """The members of a sweep that differ only in the seed.

    Attributes:
      values: of the swept fields without the seed, by dotted name.
      group: the members' runs.
      metric: the validation accuracy in `result.json` by which recipes are ranked.
    """

    values: Mapping[str, Any]
    group: RecipeGroup
    metric: str

    @property
    def label(self) -> str:
        """The values as text, such as `learning rate 0.01, momentum 0.9`."""
        texts = (f"{axis_name(name)} {short_value(v)}" for name, v in self.values.items())
        return ", ".join(texts) or self.group.run.network

    @property
    def members(self) -> list[str]:
        """The names of the members' folders, in order."""
        return sorted(run.folder.name for run in self.group.runs)

    @property
    def validation(self) -> MeanAndStd | None:
        """The validation accuracy over the members that have ended."""
        return self.group.result(self.metric)

    @property
    def test(self) -> MeanAndStd | None:
        """The test accuracy over the members that have ended."""
        return self.group.result("test_accuracy")

    @property
    def validation_interval(self) -> Interval | None:
        """The 95 % interval of the validation accuracy."""
        return self.group.interval(self.metric)

    @property
    def rank(self) -> tuple[bool, float, str]:
        """The key that sorts recipes: those with a member that diverged come last."""
        mean = self.validation.mean if self.validation else -math.inf
        return bool(self.group.unfinished), -mean, self.members[0]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a sweep.

    Attributes:
      fields: the values of each swept field without the seed, by dotted name.
      section: all members, as a comparison has them.
      recipes: the best first; the first one is chosen.
    """

    fields: Mapping[str, Sequence[Any]]
    section: Section
    recipes: Sequence[SweptRecipe]

    @property
    def best(self) -> SweptRecipe:
        """The recipe of highest validation accuracy, by the mean over its seeds."""
        return self.recipes[0]

    @property
    def metric(self) -> str:
        """The validation accuracy by which recipes are ranked."""
        return self.best.metric

    @property
    def runs(self) -> list[SavedRun]:
        """All members, in order."""
        runs = [run for recipe in self.recipes for run in recipe.group.runs]
        return sorted(runs, key=lambda run: run.folder.name)


def read_outcome(
    folders: Sequence[Path],
    fields: Mapping[str, Sequence[Any]],
    members: Sequence[Mapping[str, Any]],
) -> Outcome:
    """Return the outcome of a sweep in which at least one member has ended.

    A recipe's validation accuracy is that of the epoch whose weights are tested. It is the last
    one of all members, if one of them tests its last weights.

    Args:
      folders: the members' folders.
      fields: the values of each field that varies.
      members: the fields' values of each member.
    """
    runs, _ = read_runs(folders)
    values_of = {
        folder.name: _without_seed(values) for folder, values in zip(folders, members, strict=True)
    }
    # not by the runs' records: members that stopped at other steps may be tested once more
    section = as_section(runs, lambda run: repr(values_of[run.folder.name]))
    # members that are shorter than an epoch have no best one
    is_last = any(
        (run.result or {}).get("tested_with", run.config["test_with"]) == "last" for run in runs
    )
    metric = "last_validation_accuracy" if is_last else "best_validation_accuracy"
    recipes = []
    for group in section.groups:
        recipe = SweptRecipe(values_of[group.run.folder.name], group, metric)
        named = dataclasses.replace(group, label=recipe.label)  # as the page's tables name it
        recipes.append(dataclasses.replace(recipe, group=named))
    section = dataclasses.replace(section, groups=[recipe.group for recipe in recipes])
    return Outcome(_without_seed(fields), section, sorted(recipes, key=lambda r: r.rank))


def _without_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != _SEED}

"""Pairs of recipes: whether their test accuracies can be told apart, and by which test."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from jaxcnn.reporting.comparison import statistics
from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.comparison.statistics import ALPHA, Difference

SAME, UNTESTED = "cannot be told apart", "not tested"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two recipes, tested on the same images.

    Attributes:
      first, second: the recipes, with finished runs.
      difference: of the test accuracies, first minus second; None if it cannot be tested.
      p: its p-value, corrected for the number of pairs that are tested together.
      note: the reason that there is no test, or not a sharper one; else "".
    """

    first: RecipeGroup
    second: RecipeGroup
    difference: Difference | None
    p: float | None
    note: str

    @property
    def is_better(self) -> bool:
        """True if the first recipe is better than the second."""
        return self._is_apart and self.difference is not None and self.difference.value > 0

    @property
    def is_worse(self) -> bool:
        """True if the first recipe is worse than the second."""
        return self._is_apart and self.difference is not None and self.difference.value < 0

    @property
    def verdict(self) -> str:
        """The outcome in words: "better", "worse", `SAME` or `UNTESTED`."""
        if self.p is None:
            return UNTESTED
        return "better" if self.is_better else "worse" if self.is_worse else SAME

    @property
    def _is_apart(self) -> bool:
        return self.p is not None and self.p < ALPHA


def compare_pairs(pairs: Iterable[tuple[RecipeGroup, RecipeGroup]]) -> list[Pair]:
    """Return the pairs with their tests, corrected for their number by Holm's method."""
    pairs = list(pairs)
    tests = [_test(first, second) for first, second in pairs]
    corrected = iter(statistics.holm([test.p for test, _ in tests if test]))
    return [
        Pair(first, second, test, next(corrected) if test else None, note)
        for (first, second), (test, note) in zip(pairs, tests, strict=True)
    ]


def against(reference: RecipeGroup, groups: Sequence[RecipeGroup]) -> list[Pair]:
    """Return a pair for each other finished group: the group, then the reference."""
    others = [group for group in groups if group.finished and group is not reference]
    return compare_pairs((group, reference) for group in others) if reference.finished else []


def _test(first: RecipeGroup, second: RecipeGroup) -> tuple[Difference | None, str]:
    """Return the difference of two groups, and the note of `Pair`."""
    accuracies = [group.accuracies() for group in (first, second)]
    num_images = first.num_images() or second.num_images()
    if not all(accuracies):
        return None, "a test accuracy is not finite"
    if max(map(len, accuracies)) > 1:
        return statistics.compare_seeds(accuracies[0], accuracies[1], num_images), ""
    answers = [group.finished[0].answers for group in (first, second)]
    fault = next((a.fault for a in answers if a.fault), "")
    if not fault and answers[0].images != answers[1].images:
        fault = f"{first.run.folder} and {second.run.folder} predict other images"
    if not fault:
        is_correct = [a.is_correct for a in answers]
        only_first, only_second = (
            int(np.sum(one & ~other)) for one, other in (is_correct, is_correct[::-1])
        )
        return statistics.compare_answers(only_first, only_second, len(is_correct[0])), ""
    if not num_images:
        return None, "the number of test images is not recorded"
    (one,), (other,) = accuracies
    return statistics.compare_counts(one, other, num_images), fault

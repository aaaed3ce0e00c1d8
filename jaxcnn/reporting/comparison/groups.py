"""Runs grouped by recipe and ranked, with a section for each dataset."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from jaxcnn.config.publications import Figures
from jaxcnn.config.published import publication_of, published_accuracy, published_figures
from jaxcnn.data.places import is_pictures_name
from jaxcnn.reporting import protocol
from jaxcnn.reporting.comparison.labels import labels
from jaxcnn.reporting.comparison.recipes import differences, recipe_key
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.comparison.statistics import Interval, mean_interval, wilson_interval
from jaxcnn.reporting.series import series


@dataclasses.dataclass(frozen=True)
class MeanAndStd:
    """A mean over `n` runs and the sample standard deviation, which is None for a single run."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self | None:
        """Return mean and deviation of the values that are finite; None without any."""
        finite = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
        if not finite:
            return None
        std = statistics.stdev(finite) if len(finite) > 1 else None
        return cls(statistics.mean(finite), std, len(finite))


@dataclasses.dataclass(frozen=True)
class RecipeGroup:
    """The runs of one recipe, which differ only in the seed.

    Attributes:
      label: a name that no other group of the section has.
      finished: the finished runs, one for each seed.
      unfinished: the other runs.
    """

    label: str
    finished: list[SavedRun]
    unfinished: list[SavedRun]

    @property
    def runs(self) -> list[SavedRun]:
        """All runs, the finished ones first."""
        return self.finished + self.unfinished

    @property
    def run(self) -> SavedRun:
        """One of the runs, for everything that they have in common."""
        return self.runs[0]

    @property
    def shown(self) -> list[SavedRun]:
        """The runs whose curves are shown: the finished ones, or all if none has finished."""
        return self.finished or self.unfinished

    @property
    def title(self) -> str:
        """The label; if no run has finished, followed by the state of the farthest one."""
        return self.label if self.finished else f"{self.label}, {self.farthest.state}"

    @property
    def farthest(self) -> SavedRun:
        """The shown run with the most epochs."""
        return max(self.shown, key=lambda run: run.epochs_done)

    def result(self, name: str) -> MeanAndStd | None:
        """Return a number of `result.json` over the finished runs."""
        return MeanAndStd.of((run.result or {}).get(name) for run in self.finished)

    def accuracies(self, name: str = "test_accuracy") -> list[float]:
        """Return an accuracy of `result.json` of each finished run, if it is finite."""
        values = ((run.result or {}).get(name) for run in self.finished)
        return [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]

    def num_images(self, view: str = "test") -> int | None:
        """Return the number of examples of a view; None if no run records it."""
        return next(filter(None, (run.num_images(view) for run in self.runs)), None)

    def interval(self, name: str = "test_accuracy") -> Interval | None:
        """Return the 95 % interval of an accuracy; None without one.

        It is Student's t interval for the mean over the seeds; Wilson's, by the number of images,
        for one run.
        """
        accuracies = self.accuracies(name)
        num_images = self.num_images("test" if name == "test_accuracy" else "validation")
        if len(accuracies) > 1:
            return mean_interval(accuracies, num_images)
        return wilson_interval(accuracies[0], num_images) if accuracies and num_images else None

    def evaluated(self, name: str) -> MeanAndStd | None:
        """Return a metric of the test evaluation over the finished runs that have it."""
        return MeanAndStd.of(run.evaluation.get(name) for run in self.finished)

    @property
    def seconds_per_epoch(self) -> MeanAndStd | None:
        """The runs' `SavedRun.seconds_per_epoch`."""
        return MeanAndStd.of(run.seconds_per_epoch for run in self.shown)

    @property
    def batch_loss(self) -> MeanAndStd | None:
        """The test loss divided by the batch size, the figure of [sgd]; None for other recipes.

        See docs/publications.md.
        """
        batch_size = self.run.config.get("global_batch_size")
        if not batch_size or not protocol.divides_loss(self.run.config):
            return None
        losses = ((run.result or {}).get("test_loss") for run in self.finished)
        return MeanAndStd.of(loss / batch_size for loss in losses if loss is not None)

    def class_metric(
        self, class_name: str, metric: str = "accuracy", kind: str = "classes"
    ) -> MeanAndStd | None:
        """Return a test metric of one of the "classes" or "superclasses"."""
        rows = (run.class_metrics(kind).get(class_name, {}) for run in self.finished)
        return MeanAndStd.of(row.get(metric) for row in rows)

    def curve(self, split: str, name: str) -> dict[int, MeanAndStd]:
        """Return a metric of a split by epoch, over the runs that reached the epoch."""
        curves = [series(run.rows, split, name) for run in self.shown]
        epochs = sorted(set().union(*curves))
        means = ((epoch, MeanAndStd.of(curve.get(epoch) for curve in curves)) for epoch in epochs)
        return {epoch: mean for epoch, mean in means if mean is not None}

    @property
    def figures(self) -> Figures | None:
        """The publication's figures for the recipe; None without any."""
        return published_figures(self._declaring.config, self._declaring.environment)

    @property
    def published(self) -> float | None:
        """The published test accuracy of the recipe, a fraction; None without one."""
        return published_accuracy(self._declaring.config, self._declaring.environment)

    @property
    def _declaring(self) -> SavedRun:
        """A run whose config declares the publication, or any run if none does.

        A recipe in phases may have been trained with several configs, one after another.
        """
        declaring = (run for run in self.runs if publication_of(run.config, run.environment))
        return next(declaring, self.run)


@dataclasses.dataclass(frozen=True)
class Section:
    """The groups of one dataset, the best test accuracy first, those without a result last.

    All runs were tested on the same images. If there are several test sets of one dataset, each has
    a section, which `dataset` names.
    """

    dataset: str
    groups: list[RecipeGroup]

    @property
    def finished(self) -> list[RecipeGroup]:
        """The groups with a result."""
        return [group for group in self.groups if group.finished]

    @property
    def evaluated_groups(self) -> list[RecipeGroup]:
        """The groups with metrics by class."""
        return [group for group in self.finished if any(run.evaluation for run in group.finished)]

    @property
    def finished_runs(self) -> list[SavedRun]:
        """The finished runs of all groups."""
        return [run for group in self.groups for run in group.finished]

    @property
    def has_seeds(self) -> bool:
        """True if a group has several finished runs, whose seeds differ."""
        return any(len(group.finished) > 1 for group in self.groups)

    def class_names(self, kind: str = "classes") -> list[str]:
        """Return the evaluated classes of all groups, the best mean accuracy first."""
        names = dict.fromkeys(n for run in self.finished_runs for n in run.class_metrics(kind))

        def mean_accuracy(name: str) -> float:
            accuracies = [group.class_metric(name, kind=kind) for group in self.finished]
            return statistics.mean([value.mean for value in accuracies if value] or [0])

        return sorted(names, key=lambda name: -mean_accuracy(name))

    @property
    def differences(self) -> dict[str, list[Any]]:
        """The recipe fields that differ between the groups, with a value for each group."""
        return differences([group.run for group in self.groups])


def compare(runs: Sequence[SavedRun]) -> tuple[list[Section], list[str]]:
    """Return the sections of the runs, and a line for each run that repeats another one."""
    return _sections(_by_test_set(runs))


def as_section(runs: Sequence[SavedRun], key: Callable[[SavedRun], str]) -> Section:
    """Return runs on the same test examples, of one size or several, as one section.

    Args:
      runs: the runs.
      key: returns the same text for runs of one recipe.
    """
    sections, _ = _sections({runs[0].dataset: runs}, key)
    return sections[0]


def _sections(
    runs_of: Mapping[str, Sequence[SavedRun]], key: Callable[[SavedRun], str] = recipe_key
) -> tuple[list[Section], list[str]]:
    repeats: list[str] = []
    sections = []
    for dataset, members in runs_of.items():
        by_recipe = list(_by(key, members).values())
        names = labels([recipe_runs[0] for recipe_runs in by_recipe])
        groups = [
            RecipeGroup(name, *_split(recipe_runs, repeats))
            for name, recipe_runs in zip(names, by_recipe, strict=True)
        ]
        sections.append(Section(dataset, sorted(groups, key=_rank)))
    return sections, repeats


def _by(key: Callable[[SavedRun], str], runs: Iterable[SavedRun]) -> dict[str, list[SavedRun]]:
    groups: dict[str, list[SavedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _by_test_set(runs: Iterable[SavedRun]) -> dict[str, list[SavedRun]]:
    """Return the runs by dataset and, if a dataset has several test sets, by test set."""
    sections, names = {}, {}

    def name_of(run: SavedRun) -> str:
        """Return the run's dataset; for copies of a folder, the first copy's place."""
        digest = run.fingerprint("test")
        is_known_folder = digest and is_pictures_name(run.config["dataset"]["name"])
        return names.setdefault(digest, run.dataset) if is_known_folder else run.dataset

    for dataset, members in _by(name_of, runs).items():
        test_sets = _by(lambda run: run.fingerprint("test"), members)
        unknown = test_sets.pop("", [])
        if len(test_sets) == 1:  # runs without a digest are taken to have the same one
            next(iter(test_sets.values())).extend(unknown)
        elif unknown:
            test_sets[""] = unknown
        for digest, tested in test_sets.items():
            name = f"test set {digest[:6]}" if digest else "unknown test set"
            sections[f"{dataset}, {name}" if len(test_sets) > 1 else dataset] = tested
    return sections


def without_fingerprint(sections: Iterable[Section]) -> list[SavedRun]:
    """Return the runs without a digest of their test data: those of older code."""
    return [
        run
        for section in sections
        for group in section.groups
        for run in group.runs
        if not run.fingerprint("test")
    ]


def _rank(group: RecipeGroup) -> float:
    accuracy = group.result("test_accuracy")
    return -accuracy.mean if accuracy else math.inf


def _split(runs: Iterable[SavedRun], repeats: list[str]) -> tuple[list[SavedRun], list[SavedRun]]:
    """Return the finished and the unfinished runs; a seed that ran twice counts once.

    A line for each run left out for that reason is added to `repeats`.
    """
    finished: dict[Any, SavedRun] = {}
    unfinished = []
    for run in runs:
        if run.result is None:
            unfinished.append(run)
        elif (first := finished.setdefault(run.config["seed"], run)) is not run:
            repeats.append(f"{run.folder}: repeats the recipe and seed of {first.folder}")
    return list(finished.values()), unfinished

"""Runs side by side: grouped by recipe, ranked, a section for each dataset."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxcnn.config.defaults import OLDER_DEFAULTS
from jaxcnn.config.published import published_accuracy, recipe_fields
from jaxcnn.data.places import is_folder_name
from jaxcnn.reporting.comparison.runs import Run
from jaxcnn.reporting.figures.curves import series

_LONGEST_LABEL = 56  # letters: two lines in a picture
_SHORT = {
    "learning_rate": "lr",
    "global_batch_size": "batch",
    "num_epochs": "epochs",
    "label_smoothing": "smoothing",
    "changed after step": "changed",
}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over `n` runs and their sample standard deviation; None for a single one."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Estimate | None":
        """The estimate from the values that are numbers; None where there is none."""
        found = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
        if not found:
            return None
        std = statistics.stdev(found) if len(found) > 1 else None
        return cls(statistics.mean(found), std, len(found))


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one recipe, that differ in the seed alone.

    Attributes:
      label: tells it from the section's other groups.
      finished: its finished runs, one a seed.
      unfinished: the others.
    """

    label: str
    finished: list[Run]
    unfinished: list[Run]

    @property
    def run(self) -> Run:
        """Any of its runs, for what they have in common."""
        return (self.finished or self.unfinished)[0]

    @property
    def shown(self) -> list[Run]:
        """The runs whose curves are shown: the finished ones, or else all."""
        return self.finished or self.unfinished

    @property
    def title(self) -> str:
        """The label, which says it where no run has finished."""
        return self.label if self.finished else f"{self.label}, not finished"

    def result(self, name: str) -> Estimate | None:
        """A number of result.json over the finished runs."""
        return Estimate.of(run.result.get(name) for run in self.finished)

    def evaluated(self, name: str) -> Estimate | None:
        """A number of the evaluations over the finished runs that were evaluated."""
        return Estimate.of(run.evaluation.get(name) for run in self.finished)

    def class_score(
        self, class_name: str, score: str = "accuracy", kind: str = "classes"
    ) -> Estimate | None:
        """The same of one of the "classes" or of the "superclasses"."""
        rows = (run.class_scores(kind).get(class_name, {}) for run in self.finished)
        return Estimate.of(row.get(score) for row in rows)

    def curve(self, split: str, name: str) -> dict[int, Estimate]:
        """A column of the metrics by epoch, over the runs that came so far."""
        curves = [series(run.rows, split, name) for run in self.shown]
        epochs = sorted(set().union(*curves))
        return {e: Estimate.of(curve.get(e) for curve in curves) for e in epochs}

    @property
    def published(self) -> float | None:
        """The publication's test accuracy of the recipe, where it is known."""
        return published_accuracy(self.run.config, self.run.environment)


@dataclasses.dataclass(frozen=True)
class Section:
    """The groups of one dataset, best test accuracy first, those without a result last.

    All were tested on the same images. Where runs of one dataset were tested on several test sets,
    each of these has a section, and `dataset` says which it is.
    """

    dataset: str
    groups: list[Group]

    @property
    def finished(self) -> list[Group]:
        """The groups that have a result."""
        return [group for group in self.groups if group.finished]

    def class_names(self, kind: str = "classes") -> list[str]:
        """Every class that a group has figures of, the class with the best mean accuracy first."""
        runs = [run for group in self.finished for run in group.finished]
        names = dict.fromkeys(name for run in runs for name in run.class_scores(kind))

        def mean_accuracy(name: str) -> float:
            scores = (group.class_score(name, kind=kind) for group in self.finished)
            return statistics.mean([score.mean for score in scores if score] or [0])

        return sorted(names, key=lambda name: -mean_accuracy(name))

    @property
    def differences(self) -> dict[str, list[Any]]:
        """The fields of the recipes that are not alike in all groups: a value for each group."""
        return _differences([group.run for group in self.groups])


def compare(runs: Sequence[Run]) -> tuple[list[Section], list[str]]:
    """The sections of the runs, and a line for each run that repeats another one."""
    repeats: list[str] = []
    sections = []
    for dataset, members in _by_test_set(runs).items():
        by_recipe = list(_by(_recipe, members).values())
        groups = [
            Group(label, *_split(group, repeats))
            for label, group in zip(_labels(by_recipe), by_recipe, strict=True)
        ]
        sections.append(Section(dataset, sorted(groups, key=_rank)))
    return sections, repeats


def _by(key: Callable[[Run], str], runs: Iterable[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _by_test_set(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs by dataset and, where it has several, by test set."""
    sections, names = {}, {}

    def name_of(run: Run) -> str:
        """Its dataset; of a folder that lies in several places the first one."""
        digest = run.fingerprint("test")
        is_known_folder = digest and is_folder_name(run.config["dataset"]["name"])
        return names.setdefault(digest, run.dataset) if is_known_folder else run.dataset

    for dataset, members in _by(name_of, runs).items():
        test_sets = _by(lambda run: run.fingerprint("test"), members)
        unknown = test_sets.pop("", [])
        if len(test_sets) == 1:  # the same one, as far as can be told
            next(iter(test_sets.values())).extend(unknown)
        elif unknown:
            test_sets[""] = unknown
        for digest, of_one in test_sets.items():
            name = f"test set {digest[:6]}" if digest else "unknown test set"
            sections[f"{dataset}, {name}" if len(test_sets) > 1 else dataset] = of_one
    return sections


def without_fingerprint(sections: Iterable[Section]) -> list[Run]:
    """The runs of which it cannot be told whether their data are those of the runs beside them."""
    return [
        run
        for section in sections
        for group in section.groups
        for run in (*group.finished, *group.unfinished)
        if not run.fingerprint("test")
    ]


def _rank(group: Group) -> float:
    accuracy = group.result("test_accuracy")
    return -accuracy.mean if accuracy else math.inf


def _fields(run: Run) -> dict[str, Any]:
    """What makes a run's recipe: the fields that change a number, and the data."""
    fields = recipe_fields(run.config)
    for view in ("train", "validation"):
        if digest := run.fingerprint(view):
            fields[f"{view} examples"] = digest[:6]
    if run.fingerprint("train") and is_folder_name(run.config["dataset"]["name"]):
        fields.pop("dataset.name")  # the same pictures may lie in several places
    changes = run.environment.get("changes")  # what it began with is another recipe
    return fields | ({"changed after step": changes} if changes else {})


def _recipe(run: Run) -> str:
    """The same text for runs of the same recipe."""
    return repr(sorted(_fields(run).items()))


def _split(runs: Iterable[Run], repeats: list[str]) -> tuple[list[Run], list[Run]]:
    """Finished and unfinished runs; a seed that ran twice tells nothing new, and counts once."""
    finished: dict[Any, Run] = {}
    unfinished = []
    for run in runs:
        if run.result is None:
            unfinished.append(run)
        elif (first := finished.setdefault(run.config["seed"], run)) is not run:
            repeats.append(f"{run.folder}: repeats the recipe and seed of {first.folder}")
    return list(finished.values()), unfinished


def _differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    fields = [_fields(run) for run in runs]
    names = dict.fromkeys(itertools.chain.from_iterable(fields))
    columns = {name: [each.get(name) for each in fields] for name in names}
    for name in OLDER_DEFAULTS:  # without effect in some of the runs
        if None in columns.get(name, ()):
            del columns[name]
    return {name: values for name, values in columns.items() if len(set(map(repr, values))) > 1}


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A label for each group of runs: the network, and what tells it from the same network's
    other groups: the fields that differ, or a number where they are many."""
    labels = [group[0].network for group in groups]
    for network in set(labels):
        places = [i for i, group in enumerate(groups) if group[0].network == network]
        if len(places) > 1:
            told_apart = _told_apart(network, [groups[i] for i in places])
            for place, label in zip(places, told_apart, strict=True):
                labels[place] = label
    return labels


def _told_apart(network: str, groups: Sequence[Sequence[Run]]) -> list[str]:
    """Labels of all fields that differ, or else of those that differ from most groups', or else
    numbers: the table of the differences is their key."""
    columns = _differences([group[0] for group in groups])
    values = {name: [_short_value(each) for each in column] for name, column in columns.items()}
    usual = {name: _majority(column) for name, column in values.items()}
    for named in (dict.fromkeys(values), usual):
        texts = [
            ", ".join(
                f"{_short_name(name)} {values[name][i]}"
                for name, left_out in named.items()
                if values[name][i] != left_out
            )
            for i in range(len(groups))
        ]
        labels = [f"{network}, {text}" if text else network for text in texts]
        if len(set(labels)) == len(labels) and max(map(len, labels)) <= _LONGEST_LABEL:
            return labels
    return [f"{network} #{i + 1}" for i in range(len(groups))]


def _majority(values: Sequence[str]) -> str | None:
    """The value of more than half of them, if there is one."""
    most = statistics.mode(values)
    return most if 2 * values.count(most) > len(values) else None


def _short_name(field: str) -> str:
    """`lr` for `optimizer.learning_rate`, `schedule` for `schedule.name`."""
    group, _, leaf = field.rpartition(".")
    return group if leaf == "name" else _SHORT.get(leaf, leaf)


def _short_value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):  # changes on the way
        return "after step " + " and ".join(str(each.get("step")) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

"""The five networks of [classic] on its two datasets: the publication's figures and the kept runs.

Source: [classic], see docs/publications.md.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.publications import FIGURES, Figures
from jaxcnn.nn.summary import Summary
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.kept_runs import group_of

NETWORKS = {
    "lenet": "LeNet",
    "alexnet": "AlexNet",
    "vgg16_bn": "VGG16",
    "resnet50": "ResNet50",
    "googlenet": "GoogLeNet",
}
DATASETS = {"cifar10": ("CIFAR-10", 10), "cifar100": ("CIFAR-100", 100)}  # title, classes
_SHAPE = (32, 32, 3)
_TEST_IMAGES = 10_000  # of both datasets


@dataclasses.dataclass(frozen=True)
class ClassicNetwork:
    """A network on one of the datasets.

    Attributes:
      network: its name in `models`.
      figures: those of the publication.
      summary: its layers, parameters and operations.
      num_epochs: the epochs of the recipe.
      runs: the kept runs of the published recipe; None without any.
    """

    network: str
    figures: Figures
    summary: Summary
    num_epochs: int
    runs: RecipeGroup | None

    @property
    def title(self) -> str:
        """The network's name for readers."""
        return NETWORKS[self.network]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The five networks on a dataset.

    Attributes:
      dataset: the dataset's name in configs.
      entries: in the publication's order.
    """

    dataset: str
    entries: list[ClassicNetwork]

    @property
    def title(self) -> str:
        """The dataset's name for readers."""
        return DATASETS[self.dataset][0]

    @property
    def ours(self) -> Section:
        """The kept runs. An unfinished one stands for its network, and its label tells so.

        It has curves and, if it was evaluated, accuracies by class. It has no test accuracy, so no
        test, mean or ranking takes it.
        """
        groups = [_shown(entry.title, entry.runs) for entry in self.entries if entry.runs]
        return Section(self.dataset, groups)

    @property
    def finished(self) -> Section:
        """The finished runs, the most accurate network first."""
        groups = [
            dataclasses.replace(entry.runs, label=entry.title)
            for entry in self.entries
            if entry.runs and entry.runs.finished
        ]
        return Section(self.dataset, _ranked(groups))

    @property
    def published(self) -> Section:
        """The publication's figures as runs, the most accurate network first.

        Their times are taken to be of one machine, which the publication does not name.
        """
        entries = [entry for entry in self.entries if entry.figures.accuracy]
        return Section(self.dataset, _ranked([_as_group(self.dataset, e) for e in entries]))


def comparisons(
    configs: Mapping[str, ConfigDict], groups: Sequence[RecipeGroup]
) -> list[Comparison]:
    """Return the comparison on each dataset.

    Args:
      configs: by name, such as "lenet:cifar10".
      groups: the kept runs.
    """
    return [
        Comparison(dataset, [_entry(network, dataset, configs, groups) for network in NETWORKS])
        for dataset in DATASETS
    ]


def _entry(
    network: str, dataset: str, configs: Mapping[str, ConfigDict], groups: Sequence[RecipeGroup]
) -> ClassicNetwork:
    name, num_classes = f"{network}:{dataset}", DATASETS[dataset][1]
    built = models.build(network, num_classes=num_classes, image_shape=_SHAPE, abstract=True)
    config = to_dict(configs[name])
    runs = group_of(config, groups)
    return ClassicNetwork(network, FIGURES[name], models.summary(built), config["num_epochs"], runs)


def _shown(title: str, group: RecipeGroup) -> RecipeGroup:
    if group.finished:
        return RecipeGroup(title, group.finished, [])
    run = group.farthest
    if run.evaluation.get("epoch") != run.epochs_done:  # of earlier weights
        run = dataclasses.replace(run, evaluation={})
    num_epochs = run.config["num_epochs"]
    return RecipeGroup(f"{title}, {run.epochs_done} of {num_epochs} epochs", [run], [])


def _ranked(groups: list[RecipeGroup]) -> list[RecipeGroup]:
    return sorted(groups, key=lambda group: -max(group.accuracies(), default=0))


def _as_group(dataset: str, entry: ClassicNetwork) -> RecipeGroup:
    figures, summary = entry.figures, entry.summary
    config = {
        "seed": None, "validation": "test", "test_with": "last",
        "model": {"name": entry.network}, "dataset": {"name": dataset},
    }  # fmt: skip
    seconds = figures.seconds or ()
    rows = [{"epoch": 1, "split": "train", "seconds": sum(seconds) / len(seconds)}]
    result = {
        "test_accuracy": figures.accuracy,
        "parameters": summary.parameters,
        "flops": summary.flops,
    }
    run = SavedRun(
        Path("published"), config, rows, result, {}, {"devices": ["one machine, unnamed"]},
        {"num_examples": {"test": _TEST_IMAGES}},
    )  # fmt: skip
    return RecipeGroup(entry.title, [run], [])

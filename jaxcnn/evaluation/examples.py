"""The examples of a split on which a trained network is evaluated."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.config.published import is_tuned_on_test, publication_of
from jaxcnn.data import views as data_views
from jaxcnn.data.class_selection import select_classes
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.data.places import same_dataset
from jaxcnn.data.views import View
from jaxcnn.errors import UserError
from jaxcnn.text import shorten
from jaxcnn.training.data_notes import trained_on
from jaxcnn.workdir.run_data import load_run_data, refuse_other_data
from jaxcnn.workdir.run_files import read_identity, read_part_if_there
from jaxcnn.workdir.run_parts import require_parts

if TYPE_CHECKING:
    from jaxcnn.evaluation.trained import Trained

SPLITS = ("test", "validation", "train")


@dataclasses.dataclass(frozen=True)
class OtherSet:
    """A labeled set that is not the run's, matched to the network by the names of the classes.

    Attributes:
      name: "folder:PATH" or "table:PATH".
      left_out: the number of pictures of each class that the network does not know.
      missing: the network's classes without pictures.
    """

    name: str
    left_out: Mapping[str, int]
    missing: Sequence[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples(Split):
    """The examples of a split.

    Attributes:
      dataset: the name of the dataset.
      name: "train", "validation" or "test".
      indices: int32 (n,), positions in the dataset's split. Validation examples that are held out
        of the training split have their positions there.
      files: the pictures' files in a folder of images; None for other datasets.
      trained_on: the number of examples that the training split holds as well, as copies.
      other: the facts about a set that is not the run's; None for the run's data.
    """

    dataset: str
    name: str
    indices: np.ndarray
    files: tuple[str, ...] | None
    trained_on: int = 0
    other: OtherSet | None = None


def load_examples(
    trained: "Trained", split: str, data_at: Path | None = None, dataset: Dataset | None = None
) -> Examples:
    """Return the examples of the run's "train", "validation" or "test" split.

    Args:
      data_at: see `load_run_data`.
      dataset: the run's dataset; loaded by default. One of another name is not the run's, so its
        own split is returned, whole.

    Raises:
      UserError: the dataset cannot be read, is not the run's, or does not fit the network.
    """
    if split not in SPLITS:
        raise UserError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    if dataset is None:
        require_parts(trained.workdir, trained.config, ["dataset"])
        dataset = load_run_data(trained.config, trained.workdir, data_at)
    elif not same_dataset(dataset.name, trained.config.dataset.name):
        return _take(dataset, split, _whole_split(trained, dataset, split))
    else:
        dataset = select_classes(dataset, trained.config.dataset.classes)
    views = data_views.views_of(trained.config, dataset)
    refuse_other_data(trained.workdir, data_views.data_identity(dataset, views))
    examples = _take(dataset, split, views[split], trained_on(dataset, views, split))
    # the run's name for the data, which may have moved
    return dataclasses.replace(examples, dataset=trained.config.dataset.name)


def describe_evaluation(
    trained: "Trained", examples: Examples, tta: str = "none"
) -> dict[str, Any]:
    """Return the first fields of an evaluation: which weights are evaluated, on which images."""
    config, workdir = trained.config, trained.workdir
    environment = read_part_if_there(workdir, "environment.json") or {}
    about = {
        "split": examples.name,
        "checkpoint": trained.checkpoint,
        "step": trained.step,
        "epoch": trained.epoch,
        "validation": config.validation,
        "tuned_on_test": is_tuned_on_test(config),
        "init_from": config.init_from,
        "dataset": examples.dataset,
        "trained_on": examples.trained_on,
        "publication": publication_of(config, environment),
    }
    if tta != "none":
        about["tta"] = tta
    if trained.temperature != 1:
        about["temperature"] = trained.temperature
    if other := examples.other:
        about |= {
            "data": other.name,
            "left_out": dict(other.left_out),
            "missing_classes": list(other.missing),
            "publication": "",
        }
    identity = read_identity(workdir).id
    return about | ({"run": identity} if identity else {})


def _whole_split(trained: "Trained", dataset: Dataset, split: str) -> View:
    """Return all examples of a split of another dataset than the run's.

    Raises:
      UserError: the dataset has no such split, or does not fit the network.
    """
    for name in ("class_names", "image_shape"):
        given, expected = getattr(dataset, name), getattr(trained, name)
        if given != expected:
            raise UserError(
                f"{dataset.name}: its {name} {shorten(str(given), 81)} are not those of "
                f"{trained.workdir}: {shorten(str(expected), 81)}"
            )
    if split not in dataset.splits:
        raise UserError(f"{dataset.name}: has no {split} split; it has {', '.join(dataset.splits)}")
    return data_views.whole_split(dataset, split)


def _take(dataset: Dataset, name: str, view: View, num_trained_on: int = 0) -> Examples:
    arrays, files = dataset.splits[view.split], None
    if dataset.pictures is not None:
        paths = [picture.path for picture in dataset.pictures if picture.split == view.split]
        files = tuple(paths[index] for index in view.indices.tolist())
    return Examples(
        arrays.images[view.indices],
        arrays.labels[view.indices],
        dataset=dataset.name,
        name=name,
        indices=view.indices,
        files=files,
        trained_on=num_trained_on,
    )

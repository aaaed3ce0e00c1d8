"""Prepare a dataset: `python -m jaxcnn.prepare DATASET [--archives=DIR] [--report=PAGE.html]`.

`--config=FILE` takes the place of DATASET: the dataset that the config names, with its image size
and its classes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.flag import config_flag, given_run, register_flag
from jaxcnn.data.counts import count_table
from jaxcnn.data.dataset import Dataset, dataset_names, load_dataset
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.text import printable

if TYPE_CHECKING:
    from jaxcnn.training.augmented_batch import AugmentedBatch

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run: prepare its dataset.")
_ARCHIVES = path_flag("archives", "The published files: a folder with them, or an archive.")
_DATA_DIR = path_flag(
    "data_dir",
    "The folder of prepared datasets (default: $TFDS_DATA_DIR or ~/tensorflow_datasets).",
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "The height and width to resize to; 0: the dataset's own.", 0, 1024
)
_EXCLUDE = path_flag("exclude", "A text file with the paths of pictures to leave out.")
_GRID = path_flag("grid", "Draw images of the training split, and the images per class, to a file.")
_AUGMENTED = flags.DEFINE_bool(
    "augmented", False, "Draw the first training batch as --config augments it, to --grid."
)
_REPORT = path_flag(
    "report",
    "Write a page about your pictures: classes, sizes, fitting, copies, unreadable files; and a "
    "list of pictures to leave out beside it.",
)
register_flag()


def main(arguments: list[str]) -> None:
    """Prepare the given dataset, print its class counts, and draw its pictures if asked."""
    config = _CONFIG.value
    name = _check(arguments, config)
    report = None
    if _REPORT.value:
        from jaxcnn.reporting.pictures_report import PicturesReport

        report = PicturesReport.of(_settings(name, config), _REPORT.value)
        if kept := report.write():
            print(printable(f"the earlier list of pictures to leave out is kept in {kept}"))
        report.refuse_unreadable()
    dataset = _of_config(config) if config else _of_name(name)
    print(count_table(dataset))
    if dataset.facts is not None:
        from jaxcnn.data.pictures.facts import fact_lines

        print("\n".join(fact_lines(dataset.facts)))
    if report:
        if config and _augments(config, dataset):
            report.write(_batch(config, dataset), dataset.class_names)
        print(report.summary)
    if _GRID.value:
        _draw(config, dataset, _GRID.value)
        print(f"pictures in {_GRID.value}")


def _check(arguments: list[str], config: ConfigDict | None) -> str:
    """Return the name of the dataset.

    Raises:
      UserError: flags are missing, or do not fit each other.
    """
    from jaxcnn.data.places import is_pictures_name, refuse_among_pictures
    from jaxcnn.reporting.figures.prediction_grid import check_grid

    if len(arguments) != (0 if config else 1):
        names = ", ".join(dataset_names())
        raise UserError(f"name one dataset to prepare, or give --config=FILE: {names}")
    if _AUGMENTED.value and not (config and _GRID.value):
        raise UserError("--augmented: give --config=FILE, and the picture's file with --grid=FILE")
    for flag in ("image_size", "exclude") if config else ():
        if flags.FLAGS[flag].value:
            raise UserError(f"--{flag}: with a config, set --config.dataset.{flag}")
    check_grid(_GRID.value)
    name = config.dataset.name if config else arguments[0]
    if _REPORT.value and not is_pictures_name(name):
        raise UserError(f"--report: is for folder:PATH and table:PATH, not for {name}")
    if _REPORT.value and _REPORT.value.suffix != ".html":
        raise UserError(f"--report={_REPORT.value}: name a file ending in .html")
    for flag in (_GRID, _REPORT):
        if flag.value:
            refuse_among_pictures(flag.value.parent, name, f"name another --{flag.name}")
    return name


def _settings(name: str, config: ConfigDict | None) -> ConfigDict:
    """Return the `dataset` part of the config; without a config, one with the flags' values."""
    from jaxcnn.config.defaults import default_config

    settings = (config or default_config()).dataset
    if not config:
        settings.update(name=name, image_size=_IMAGE_SIZE.value, exclude=_excluded())
    if _DATA_DIR.value:
        settings.data_dir = str(_DATA_DIR.value)
    return settings


def _excluded() -> str:
    return str(_EXCLUDE.value or "")


def _of_name(name: str) -> Dataset:
    from jaxcnn.data.datasets.registry import OWN_DATASETS
    from jaxcnn.data.preparing.prepare import prepare_dataset

    data_dir, image_size = _DATA_DIR.value, _IMAGE_SIZE.value
    if name in OWN_DATASETS and _ARCHIVES.value:
        raise UserError(f"--archives={_ARCHIVES.value}: {name} is your function's dataset")
    if name not in OWN_DATASETS:
        prepare_dataset(
            name,
            archives=_ARCHIVES.value,
            data_dir=data_dir,
            image_size=image_size,
            exclude=_excluded(),
        )
    # writes the resized images
    return load_dataset(name, data_dir=data_dir, image_size=image_size, exclude=_excluded())


def _of_config(config: ConfigDict) -> Dataset:
    from jaxcnn.data.loading import image_size_of, load_data
    from jaxcnn.workdir.run_config import check_given_config

    check_given_config(config, given_run())
    settings = config.dataset
    if _DATA_DIR.value:
        settings.data_dir = str(_DATA_DIR.value)
    if _ARCHIVES.value:
        from jaxcnn.data.preparing.prepare import prepare_dataset

        prepare_dataset(
            settings.name,
            archives=_ARCHIVES.value,
            data_dir=settings.data_dir or None,
            image_size=image_size_of(settings),
        )
    return load_data(config)


def _augments(config: ConfigDict, dataset: Dataset) -> bool:
    """Return whether a config augments its training batches."""
    from jaxcnn.training.recipe import augmentation_of

    return augmentation_of(config, dataset, config.seed) is not None


def _batch(config: ConfigDict, dataset: Dataset) -> "AugmentedBatch":
    """Return the first training batch as a config augments it."""
    from jaxcnn.process import devices
    from jaxcnn.training.augmented_batch import augmented_batch

    devices.start(config.deterministic)
    return augmented_batch(config, dataset)


def _draw(config: ConfigDict | None, dataset: Dataset, file: Path) -> None:
    from jaxcnn.reporting.figures.dataset_pictures import draw_augmented, draw_dataset

    if not (config and _AUGMENTED.value):
        draw_dataset(dataset, file)
        return
    draw_augmented(_batch(config, dataset), dataset.class_names, file)


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

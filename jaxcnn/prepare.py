"""Prepare a dataset: `python -m jaxcnn.prepare DATASET [--archives=DIR] [--grid=FILE]`.

`--config=FILE` takes the place of DATASET: the dataset that the config names, with its image size
and its classes.
"""

from pathlib import Path

from absl import flags
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.flag import config_flag, given_run, register_flag
from jaxcnn.data.counts import count_table
from jaxcnn.data.dataset import Dataset, dataset_names, load_dataset
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run: prepare its dataset.")
_ARCHIVES = path_flag("archives", "The published files: a folder with them, or an archive.")
_DATA_DIR = path_flag(
    "data_dir",
    "The folder of prepared datasets (default: $TFDS_DATA_DIR or ~/tensorflow_datasets).",
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "The height and width to resize to; 0: the dataset's own.", 0, 1024
)
_GRID = path_flag("grid", "Draw images of the training split, and the images per class, to a file.")
_AUGMENTED = flags.DEFINE_bool(
    "augmented", False, "Draw the first training batch as --config augments it, to --grid."
)
register_flag()


def main(arguments: list[str]) -> None:
    """Prepare the given dataset, print its class counts, and draw its pictures if asked."""
    from jaxcnn.data.places import refuse_among_pictures
    from jaxcnn.reporting.figures.prediction_grid import check_grid

    config = _CONFIG.value
    if len(arguments) != (0 if config else 1):
        names = ", ".join(dataset_names())
        raise UserError(f"name one dataset to prepare, or give --config=FILE: {names}")
    if _AUGMENTED.value and not (config and _GRID.value):
        raise UserError("--augmented: give --config=FILE, and the picture's file with --grid=FILE")
    if config and _IMAGE_SIZE.value:
        raise UserError("--image_size: with a config, set --config.dataset.image_size")
    check_grid(_GRID.value)
    name = config.dataset.name if config else arguments[0]
    if _GRID.value:
        refuse_among_pictures(_GRID.value.parent, name, "name another --grid")
    dataset = _of_config(config) if config else _of_name(name)
    print(count_table(dataset))
    if _GRID.value:
        _draw(config, dataset, _GRID.value)
        print(f"pictures in {_GRID.value}")


def _of_name(name: str) -> Dataset:
    from jaxcnn.data.datasets.registry import OWN_DATASETS
    from jaxcnn.data.preparing.prepare import prepare_dataset

    data_dir, image_size = _DATA_DIR.value, _IMAGE_SIZE.value
    if name not in OWN_DATASETS:
        prepare_dataset(name, archives=_ARCHIVES.value, data_dir=data_dir, image_size=image_size)
    # writes the resized images
    return load_dataset(name, data_dir=data_dir, image_size=image_size)


def _of_config(config: ConfigDict) -> Dataset:
    from jaxcnn.data.loading import load_data
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
            image_size=settings.image_size,
        )
    return load_data(config)


def _draw(config: ConfigDict | None, dataset: Dataset, file: Path) -> None:
    from jaxcnn.reporting.figures.dataset_pictures import draw_augmented, draw_dataset

    if not (config and _AUGMENTED.value):
        draw_dataset(dataset, file)
        return
    from jaxcnn.process import devices
    from jaxcnn.training.augmented_batch import augmented_batch

    devices.start(config.deterministic)
    draw_augmented(augmented_batch(config, dataset), dataset.class_names, file)


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

"""Prepare a dataset: `python -m jaxcnn.prepare DATASET [--archives=DIR] [--data_dir=DIR]`."""

from absl import flags

from jaxcnn.config.flag import register_flag
from jaxcnn.data.counts import count_table
from jaxcnn.data.dataset import dataset_names, load_dataset
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command

_ARCHIVES = path_flag("archives", "The published files: a folder with them, or an archive.")
_DATA_DIR = path_flag(
    "data_dir",
    "The folder of prepared datasets (default: $TFDS_DATA_DIR or ~/tensorflow_datasets).",
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "The height and width to resize to; 0: the dataset's own.", 0, 1024
)
register_flag()


def main(arguments: list[str]) -> None:
    """Prepare the given dataset, and print its class counts."""
    if len(arguments) != 1:
        raise UserError(f"name one dataset to prepare: {', '.join(dataset_names())}")
    from jaxcnn.data.datasets.registry import OWN_DATASETS
    from jaxcnn.data.preparing.prepare import prepare_dataset

    name, data_dir, image_size = arguments[0], _DATA_DIR.value, _IMAGE_SIZE.value
    if name not in OWN_DATASETS:
        prepare_dataset(name, archives=_ARCHIVES.value, data_dir=data_dir, image_size=image_size)
    # writes the resized images
    dataset = load_dataset(name, data_dir=data_dir, image_size=image_size)
    print(count_table(dataset))


if __name__ == "__main__":
    command.run(main)

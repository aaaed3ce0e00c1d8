"""The dataset of a config, checked against what the config asks for."""

from ml_collections import ConfigDict

from jaxcnn.data.dataset import Dataset, load_dataset
from jaxcnn.errors import UserError


def load_data(config: ConfigDict) -> Dataset:
    """The dataset of a config, prepared if it was not.

    Raises:
      UserError: it cannot be had, or does not fit what the config asks for.
    """
    dataset = load_dataset(
        config.dataset.name,
        data_dir=config.dataset.data_dir or None,
        label_set=config.dataset.label_set,
        image_size=config.dataset.image_size,
        split=config.dataset.split,
    )
    check_data(config, dataset)
    return dataset


def check_data(config: ConfigDict, dataset: Dataset) -> None:
    """Checks that a dataset fits what a config asks for.

    Raises:
      UserError: it does not.
    """
    if config.validation == "validation" and "validation" not in dataset.splits:
        raise UserError(
            f'config.validation = "validation": {config.dataset.name} has no such split; '
            'allowed is "holdout", "tail" or "test"'
        )
    side = min(dataset.image_shape[:2])
    for name in ("crop", "cutout"):
        if config.augment[name] >= side:
            raise UserError(
                f"config.augment.{name} = {config.augment[name]}: less than the {side} pixels of "
                "an image's side"
            )

"""The data of a population's groups, loaded once for groups that share them."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.loading import check_data


class GroupData:
    """Loads the dataset of a group, and keeps it until a group needs another one.

    Args:
      source: the place of the data.
      folder: of the first member. Of a folder of images, all members have the pictures that it
        lists.
    """

    def __init__(self, source: Source, folder: Path):
        self.source, self._folder = source, folder
        self._settings = ConfigDict()
        self._dataset: Dataset | None = None

    def load(self, config: ConfigDict) -> Dataset:
        """Return the dataset of a config, checked against it.

        Raises:
          UserError: it cannot be loaded, or does not fit the config.
        """
        if self._dataset is None or self._settings != config.dataset:
            self.release()  # the memory may not hold two
            self._dataset = self.source.load(config, self._folder)
            self._settings = config.dataset.copy_and_resolve_references()
        check_data(config, self._dataset)
        return self._dataset

    def release(self) -> None:
        """Forget the dataset, whose memory is free when no run has it."""
        self._dataset = None

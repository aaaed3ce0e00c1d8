"""The config of `python -m jaxcnn.main` without `--config`: LeNet on the embedded digits."""

from ml_collections import ConfigDict

from jaxcnn.config import default_config


def get_config() -> ConfigDict:
    """The default config."""
    return default_config()

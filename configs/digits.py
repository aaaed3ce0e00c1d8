"""LeNet on scikit-learn's 1,797 embedded digits: no download, half a minute on two cores.

The same config runs without `--config`.
"""

from ml_collections import ConfigDict

from jaxcnn.config import quickstart


def get_config() -> ConfigDict:
    """Return the quickstart."""
    return quickstart.get_config()

"""GoogLeNet with the stem for small images, BatchNorm and one head on CIFAR-10.

The recipe is `modern_config`. For CIFAR-100 add `--config.dataset.name=cifar100`.

Source: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842 (for ImageNet).
Published test accuracy: none; no paper has this network.
"""

from ml_collections import ConfigDict

from jaxcnn.config import modern_config
from jaxcnn.models import model_config


def get_config() -> ConfigDict:
    """Return the usual modern recipe."""
    config = modern_config()
    config.model = model_config("googlenet_cifar")
    return config

"""A small Xception-style network of separable convolutions on CIFAR-10.

The recipe is `modern_config`. For CIFAR-100 add `--config.dataset.name=cifar100`.

Source: Chollet 2016, https://arxiv.org/abs/1610.02357 (a far larger network, for ImageNet).
Published test accuracy: none.
"""

from ml_collections import ConfigDict

from jaxcnn.config import modern_config
from jaxcnn.models import model_config


def get_config() -> ConfigDict:
    """Return the usual modern recipe."""
    config = modern_config()
    config.model = model_config("xception_small")
    return config

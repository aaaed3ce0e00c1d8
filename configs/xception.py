"""A small Xception-style network of separable convolutions on CIFAR-10: the usual modern recipe.

SGD with Nesterov momentum, cosine, crop and flip for 200 epochs: `modern_config`.
On CIFAR-100: `--config.dataset.name=cifar100`.

Source: Chollet 2016, https://arxiv.org/abs/1610.02357 (a far larger network, for ImageNet).
Published test accuracy: none.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.recipes import modern_config


def get_config() -> ConfigDict:
    """The usual modern recipe."""
    config = modern_config()
    config.model = network("xception_small")
    return config

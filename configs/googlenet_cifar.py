"""GoogLeNet with the stem for small images, BatchNorm and one head on CIFAR-10: a modern recipe.

SGD with Nesterov momentum, cosine, crop and flip for 200 epochs: `modern_config`.
On CIFAR-100: `--config.dataset.name=cifar100`.

Source: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842 (for ImageNet).
Published test accuracy: none of this network in a paper.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.recipes import modern_config


def get_config() -> ConfigDict:
    """The usual modern recipe."""
    config = modern_config()
    config.model = network("googlenet_cifar")
    return config

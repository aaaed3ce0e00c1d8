"""VGG-11, 13, 16 and 19 with BatchNorm and one dense layer on CIFAR-10.

The recipe is `modern_config`. For CIFAR-100 add `--config.dataset.name=cifar100`.

Source: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556 (without BatchNorm, for
ImageNet).
Published test accuracy: none; no paper has these networks.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, modern_config
from jaxcnn.models import model_config

VARIANTS = {"vgg11": "vgg11", "vgg13": "vgg13", "vgg16": "vgg16", "vgg19": "vgg19"}


def get_config(variant: str = "vgg16") -> ConfigDict:
    """Return the usual modern recipe for a depth."""
    config = modern_config()
    config.model = model_config(choose(variant, VARIANTS))
    return config

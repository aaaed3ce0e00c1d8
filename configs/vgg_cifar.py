"""VGG-11, 13, 16 and 19 with BatchNorm and one dense layer on CIFAR-10: the usual modern recipe.

SGD with Nesterov momentum, cosine, crop and flip for 200 epochs: `modern_config`.
On CIFAR-100: `--config.dataset.name=cifar100`.

Source: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556 (without BatchNorm, for
ImageNet).
Published test accuracy: none of these networks in a paper.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import modern_config


def get_config(variant: str = "vgg16") -> ConfigDict:
    """`vgg11`, `vgg13`, `vgg16` or `vgg19`."""
    names = ("vgg11", "vgg13", "vgg16", "vgg19")
    config = modern_config()
    config.model = network(choose(variant, {name: name for name in names}))
    return config

"""ResNet-18 and ResNet-34 with the stem for small images on CIFAR-10: the usual modern recipe.

SGD with Nesterov momentum, cosine, crop and flip for 200 epochs: `modern_config`.
On CIFAR-100: `--config.dataset.name=cifar100`.

Source: He et al. 2015, https://arxiv.org/abs/1512.03385 (which has other ResNets for CIFAR).
Published test accuracy: none of these networks in a paper.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import modern_config


def get_config(variant: str = "resnet18") -> ConfigDict:
    """`resnet18` or `resnet34`."""
    config = modern_config()
    config.model = network(choose(variant, {name: name for name in ("resnet18", "resnet34")}))
    return config

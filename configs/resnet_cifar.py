"""ResNet-18 and ResNet-34 with the stem for small images on CIFAR-10.

The recipe is `modern_config`. For CIFAR-100 add `--config.dataset.name=cifar100`.

Source: He et al. 2015, https://arxiv.org/abs/1512.03385 (which has other ResNets for CIFAR).
Published test accuracy: none; no paper has these networks.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, modern_config
from jaxcnn.models import model_config

VARIANTS = {"resnet18": "resnet18", "resnet34": "resnet34"}


def get_config(variant: str = "resnet18") -> ConfigDict:
    """Return the usual modern recipe for 18 or 34 layers."""
    config = modern_config()
    config.model = model_config(choose(variant, VARIANTS))
    return config

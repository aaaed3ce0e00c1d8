"""Wide ResNets on CIFAR-10: 16 layers 4 times as wide, 28 layers 10 times as wide.

The usual modern recipe, `modern_config`. The paper's differs in the schedule (the
rate falls to a fifth after 60, 120 and 160 of the 200 epochs), in that it reflects the image where
the crop leaves it (`--config.augment.crop_mode=reflect`), and in training on all 50,000 images
(`--config.validation=test`). On CIFAR-100: `--config.dataset.name=cifar100`.

Source: Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146.
Published test accuracy: 28_10 96.00 % (CIFAR-100: 80.75 %), median of 5 runs.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import modern_config


def get_config(variant: str = "16_4") -> ConfigDict:
    """`16_4` or `28_10`: layers and width."""
    names = {"16_4": "wide_resnet16_4", "28_10": "wide_resnet28_10"}
    config = modern_config()
    config.model = network(choose(variant, names))
    return config

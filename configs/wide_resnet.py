"""Wide ResNets on CIFAR-10: 16 layers 4 times as wide, 28 layers 10 times as wide.

The recipe is `modern_config`. The paper trains on all 50,000 images (`--config.validation=test`),
multiplies the rate by 0.2 after 60, 120 and 160 of the 200 epochs, and fills the border of a crop
with the reflected image (`--config.augment.crop_mode=reflect`). For CIFAR-100 add
`--config.dataset.name=cifar100`.

Source: Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146.
Published test accuracy of `28_10`: 96.00 % (CIFAR-100: 80.75 %), median of 5 runs.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, modern_config, publish
from jaxcnn.models import model_config

VARIANTS = {"16_4": "wide_resnet16_4", "28_10": "wide_resnet28_10"}
DIFFERS = "the paper's recipe has another schedule and trains on all 50,000 images"


def get_config(variant: str = "16_4") -> ConfigDict:
    """Return the usual modern recipe for a depth and width."""
    config = modern_config()
    config.model = model_config(choose(variant, VARIANTS))
    if variant == "28_10":
        publish(config, "Wide ResNet", 0.96, differs=DIFFERS)
    return config

"""DenseNet-BC with growth rate 12 on CIFAR-10: 40 and 100 layers.

The recipe is `modern_config`. The paper trains on all 50,000 images (`--config.validation=test`)
for 300 epochs in batches of 64, divides the rate by 10 after half and three quarters of them, and
has a coupled weight decay of 1e-4. For CIFAR-100 add `--config.dataset.name=cifar100`.

Source: Huang et al. 2016, https://arxiv.org/abs/1608.06993.
Published test accuracy of `100_bc`: 95.49 % (CIFAR-100: 77.73 %).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, modern_config, publish
from jaxcnn.models import model_config

VARIANTS = {"40_bc": "densenet40_bc", "100_bc": "densenet100_bc"}
DIFFERS = "the paper's recipe has another schedule and trains on all 50,000 images"


def get_config(variant: str = "40_bc") -> ConfigDict:
    """Return the usual modern recipe for 40 or 100 layers."""
    config = modern_config()
    config.model = model_config(choose(variant, VARIANTS))
    if variant == "100_bc":
        publish(config, "DenseNet", 0.9549, differs=DIFFERS)
    return config

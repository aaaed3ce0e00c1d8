"""DenseNet-BC with growth rate 12 on CIFAR-10: 40 and 100 layers.

The usual modern recipe, `modern_config`. The paper's is batch 64, 300 epochs, the
rate divided by 10 after half and three quarters of them, (coupled) weight decay 1e-4, and all
50,000 images to train on (`--config.validation=test`). On CIFAR-100:
`--config.dataset.name=cifar100`.

Source: Huang et al. 2016, https://arxiv.org/abs/1608.06993.
Published test accuracy: 100_bc 95.49 % (CIFAR-100: 77.73 %).
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import modern_config


def get_config(variant: str = "40_bc") -> ConfigDict:
    """`40_bc` or `100_bc`: layers, and bottlenecks with compression."""
    names = {"40_bc": "densenet40_bc", "100_bc": "densenet100_bc"}
    config = modern_config()
    config.model = network(choose(variant, names))
    return config

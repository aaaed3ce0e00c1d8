"""VGG16 with BatchNorm on CIFAR-10 and CIFAR-100: Adam 1e-4, batch 128, L2 1e-4.

There is no augmentation. The reported loss contains the L2 term, as published.

Source: [classic].
Published test accuracy after 50 epochs: 71.45 % (CIFAR-10, the last validation figure); none for
CIFAR-100.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"cifar10": "cifar10", "cifar100": "cifar100"}  # the dataset


def get_config(variant: str = "cifar10") -> ConfigDict:
    """Return the recipe for CIFAR-10 or CIFAR-100."""
    config = published_config()
    config.dataset.name = choose(variant, VARIANTS)
    config.model = model_config("vgg16_bn")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-4
    return publish(config, "classic", name=f"vgg16_bn:{variant}")

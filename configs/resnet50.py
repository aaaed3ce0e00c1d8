"""ResNet50 on CIFAR-10 (default) and CIFAR-100: Adam 1e-3, batch 128, no augmentation.

The network has the stem for large images: 32x32 pixels are 9x9 after it, as published.

Source: the classic-networks publication (004_a15b95ab2bdb4599.txt).
Published test accuracy: 75.74 % (CIFAR-10), 40.03 % (CIFAR-100), 50 epochs.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "cifar10") -> ConfigDict:
    """`cifar10` or `cifar100`."""
    config = published_config()
    config.dataset.name = choose(variant, {name: name for name in ("cifar10", "cifar100")})
    config.model = network("resnet50")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-3
    return config

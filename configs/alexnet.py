"""AlexNet on CIFAR-10 (default) and CIFAR-100: Adam 1e-4, batch 128, no augmentation.

The stem is a 3x3 convolution with stride 4: 32x32 pixels are 8x8 after it, as published.

Source: the classic-networks publication (004_a15b95ab2bdb4599.txt).
Published test accuracy: 61.15 % (CIFAR-10, the last validation figure), 28.77 % (CIFAR-100), 25
epochs.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "cifar10") -> ConfigDict:
    """`cifar10` or `cifar100`."""
    config = published_config()
    config.dataset.name = choose(variant, {name: name for name in ("cifar10", "cifar100")})
    config.model = network("alexnet")
    config.global_batch_size = 128
    config.num_epochs = 25
    config.optimizer.learning_rate = 1e-4
    return config

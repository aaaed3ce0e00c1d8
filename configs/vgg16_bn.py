"""VGG16 with BatchNorm on CIFAR-10 (default) and CIFAR-100: Adam 1e-4, batch 128, L2 1e-4.

No augmentation. The loss that is reported contains the L2 term, as published.

Source: the classic-networks publication (004_a15b95ab2bdb4599.txt).
Published test accuracy: 71.45 % (CIFAR-10, the last validation figure), 50 epochs; none for
CIFAR-100.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "cifar10") -> ConfigDict:
    """`cifar10` or `cifar100`."""
    config = published_config()
    config.dataset.name = choose(variant, {name: name for name in ("cifar10", "cifar100")})
    config.model = network("vgg16_bn")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-4
    return config

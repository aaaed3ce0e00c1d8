"""LeNet on CIFAR-10 (default) and CIFAR-100: Adam 1e-3, batch 128, no augmentation.

Source: the classic-networks publication (004_a15b95ab2bdb4599.txt).
Published test accuracy: 59.74 % (CIFAR-10, 50 epochs), 28.43 % (CIFAR-100, 100 epochs).
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "cifar10") -> ConfigDict:
    """`cifar10` or `cifar100`."""
    config = published_config()
    config.dataset.name = variant
    config.model = network("lenet")
    config.global_batch_size = 128
    config.num_epochs = choose(variant, {"cifar10": 50, "cifar100": 100})
    config.optimizer.learning_rate = 1e-3
    return config

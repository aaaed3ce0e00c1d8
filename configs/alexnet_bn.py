"""The homework publication's AlexNet with BatchNorm on CIFAR-10: Adam 1e-3, batch 64, 5 epochs.

Pixels are 0…255, unscaled, as published; no augmentation, no L2.

Source: the homework publication (002_85aa68ec7028faa3.txt).
Published test accuracy: 69.20 % (validation accuracy by epoch: 49.04, 58.70, 60.03, 62.17, 69.20).
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.recipes import published_config


def get_config() -> ConfigDict:
    """The published recipe."""
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "none"
    config.model = network("alexnet_bn")
    config.global_batch_size = 64
    config.num_epochs = 5
    config.optimizer.learning_rate = 1e-3
    return config

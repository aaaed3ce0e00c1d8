"""AlexNet with BatchNorm on CIFAR-10: Adam 1e-3, batch 64, 5 epochs.

Pixels are 0 to 255, unscaled, as published. There is no augmentation and no L2.

Source: [homework].
Published test accuracy: 69.20 % (validation accuracy by epoch: 49.04, 58.70, 60.03, 62.17, 69.20).
"""

from ml_collections import ConfigDict

from jaxcnn.config import publish, published_config
from jaxcnn.models import model_config


def get_config() -> ConfigDict:
    """Return the published recipe."""
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "none"
    config.model = model_config("alexnet_bn")
    config.global_batch_size = 64
    config.num_epochs = 5
    config.optimizer.learning_rate = 1e-3
    return publish(config, "homework", name="alexnet_bn")

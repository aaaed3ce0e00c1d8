"""ResNet50 on CIFAR-10 and CIFAR-100: Adam 1e-3, batch 128, no augmentation.

The network has the stem for large images, as published: it leaves 9x9 of 32x32 pixels.

Source: [classic].
Published test accuracy after 50 epochs: 75.74 % (CIFAR-10), 40.03 % (CIFAR-100).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"cifar10": "cifar10", "cifar100": "cifar100"}  # the dataset


def get_config(variant: str = "cifar10") -> ConfigDict:
    """Return the recipe for CIFAR-10 or CIFAR-100."""
    config = published_config()
    config.dataset.name = choose(variant, VARIANTS)
    config.model = model_config("resnet50")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-3
    return publish(config, "classic", name=f"resnet50:{variant}")

"""AlexNet on CIFAR-10 and CIFAR-100: Adam 1e-4, batch 128, no augmentation.

The stem is a 3x3 convolution with stride 4, as published: it leaves 8x8 of 32x32 pixels.

Source: [classic].
Published test accuracy after 25 epochs: 61.15 % (CIFAR-10, the last validation figure), 28.77 %
(CIFAR-100).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"cifar10": "cifar10", "cifar100": "cifar100"}  # the dataset


def get_config(variant: str = "cifar10") -> ConfigDict:
    """Return the recipe for CIFAR-10 or CIFAR-100."""
    config = published_config()
    config.dataset.name = choose(variant, VARIANTS)
    config.model = model_config("alexnet")
    config.global_batch_size = 128
    config.num_epochs = 25
    config.optimizer.learning_rate = 1e-4
    return publish(config, "classic", name=f"alexnet:{variant}")

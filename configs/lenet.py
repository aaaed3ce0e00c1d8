"""LeNet on CIFAR-10 and CIFAR-100: Adam 1e-3, batch 128, no augmentation.

Source: [classic].
Published test accuracy: 59.74 % (CIFAR-10, 50 epochs), 28.43 % (CIFAR-100, 100 epochs).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"cifar10": 50, "cifar100": 100}  # epochs


def get_config(variant: str = "cifar10") -> ConfigDict:
    """Return the recipe for CIFAR-10 or CIFAR-100."""
    num_epochs = choose(variant, VARIANTS)
    config = published_config()
    config.dataset.name = variant
    config.model = model_config("lenet")
    config.global_batch_size = 128
    config.num_epochs = num_epochs
    config.optimizer.learning_rate = 1e-3
    return publish(config, "classic", name=f"lenet:{variant}")

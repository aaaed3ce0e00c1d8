"""GoogLeNet on CIFAR-10 and CIFAR-100: Adam 1e-4, batch 128, no augmentation.

The loss is that of the three heads' mixed probabilities, as published. The weighted sum of losses
of the original paper is `--config.loss.heads=weighted_loss`.

Source: [classic].
Published test accuracy after 50 epochs: 76.13 % (CIFAR-10), 48.42 % (CIFAR-100, epoch 48).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"cifar10": "cifar10", "cifar100": "cifar100"}  # the dataset


def get_config(variant: str = "cifar10") -> ConfigDict:
    """Return the recipe for CIFAR-10 or CIFAR-100."""
    config = published_config()
    config.dataset.name = choose(variant, VARIANTS)
    config.model = model_config("googlenet")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-4
    return publish(config, "classic", name=f"googlenet:{variant}")

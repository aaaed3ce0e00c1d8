"""GoogLeNet on CIFAR-10 (default) and CIFAR-100: Adam 1e-4, batch 128, no augmentation.

Trained on the publication's mix of the three heads' probabilities; the paper's weighted sum of
losses is `--config.loss.heads=weighted_loss`.

Source: the classic-networks publication (004_a15b95ab2bdb4599.txt).
Published test accuracy: 76.13 % (CIFAR-10), 48.42 % (CIFAR-100, epoch 48), 50 epochs.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "cifar10") -> ConfigDict:
    """`cifar10` or `cifar100`."""
    config = published_config()
    config.dataset.name = choose(variant, {name: name for name in ("cifar10", "cifar100")})
    config.model = network("googlenet")
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-4
    return config

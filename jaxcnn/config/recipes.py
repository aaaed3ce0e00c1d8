"""Recipes on which several config files build."""

from ml_collections import ConfigDict

from jaxcnn.config.defaults import default_config


def published_config() -> ConfigDict:
    """Return the common part of the publications' recipes.

    The test split serves as validation split, the last epoch's weights are tested, and images keep
    their size.
    """
    config = default_config()
    config.validation, config.test_with, config.holdout = "test", "last", "random"
    config.dataset.image_size = 0
    return config


def modern_config() -> ConfigDict:
    """Return the usual recipe of later networks for CIFAR.

    SGD with Nesterov momentum 0.9 trains 200 epochs in batches of 128. The rate rises to 0.1 in 5
    epochs and falls to 0 along a cosine. Images get 4 pixels of black border, a random crop and
    random flips. Pixels are standardized by channel.

    The weight decay is PyTorch's 5e-4, times 10. PyTorch adds it to the gradient, so that momentum
    multiplies it by 1 / (1 - 0.9). Here it is decoupled: it is added after the momentum, to kernels
    alone. PyTorch also decays biases and BatchNorm.

    A tenth of the training split is held out, so CIFAR trains on 45,000 images. The last
    epoch's weights are tested. To train on all 50,000, as most published figures do, set
    `--config.validation=test`.
    """
    config = default_config()
    config.dataset.update(name="cifar10", image_size=0, scaling="zscore_per_channel")
    config.test_with = "last"
    config.global_batch_size, config.num_epochs = 128, 200
    config.optimizer.update(name="nesterov", learning_rate=0.1, momentum=0.9, weight_decay=5e-3)
    config.schedule.update(name="cosine", warmup_epochs=5.0)
    config.augment.update(crop=4, crop_mode="zero", flip="random")
    return config

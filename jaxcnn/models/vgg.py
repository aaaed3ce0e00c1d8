"""VGG16 with BatchNorm as in [classic].

BatchNorm comes after the ReLU. Every kernel, including that of the logits, is He normal with an L2
of 1e-4.

Source: [classic], see docs/publications.md.

References: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Flatten, MaxPool

_KERNEL = {"initializer": "he_normal", "l2": 1e-4}
Conv = functools.partial(layers.Conv, padding="same", activation="relu", **_KERNEL)
Dense = functools.partial(layers.Dense, **_KERNEL)


def stage(filters: int, convolutions: int) -> list:
    """Return 3x3 convolutions, each with BatchNorm, then a pool."""
    return [[[Conv(filters, 3), BatchNorm()] for _ in range(convolutions)], MaxPool(2)]


def hidden(units: int) -> list:
    """Return a dense layer with ReLU, BatchNorm, and dropout of one half."""
    return [Dense(units, activation="relu"), BatchNorm(), Dropout(0.5)]


@network("vgg16_bn")
def vgg16_bn(num_classes: int) -> list:
    """33,687,882 parameters for CIFAR-10 (33,663,050 trainable)."""
    return [
        stage(64, convolutions=2),
        stage(128, convolutions=2),
        stage(256, convolutions=3),
        stage(512, convolutions=3),
        stage(512, convolutions=3),
        Flatten(),
        hidden(4096),
        hidden(4096),
        Dense(num_classes, name="logits"),
    ]

"""VGG16 with BatchNorm as in the classic-networks publication (004_a15b95ab2bdb4599.txt).

BatchNorm comes after the ReLU; every kernel, that of the logits too, is He normal with L2 1e-4.

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
    """3x3 convolutions, each with BatchNorm, then a pool."""
    return [[[Conv(filters, 3), BatchNorm()] for _ in range(convolutions)], MaxPool(2)]


def hidden(units: int) -> list:
    """A dense layer with ReLU, then BatchNorm, then half dropped."""
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

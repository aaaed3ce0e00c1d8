"""Two AlexNets for small images, each as in a publication.

`alexnet` is that of [classic]: a 3x3 stem with stride 4, and BatchNorm only after the ReLU
of the first two convolutions. `alexnet_bn` is that of [homework]: an 11x11 stem with stride 1, and
BatchNorm before every activation, the softmax included.

Sources: [classic] and [homework], see docs/publications.md.

References: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional networks".
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Activation, Dense, Flatten, MaxPool

Conv = functools.partial(layers.Conv, padding="same", activation="relu")


@network("alexnet")
def alexnet(num_classes: int) -> list:
    """21,591,306 parameters for CIFAR-10 (21,590,602 trainable)."""
    return [
        Conv(96, 3, stride=4, padding="valid"),
        BatchNorm(),
        MaxPool(2),
        Conv(256, 5),
        BatchNorm(),
        MaxPool(2),
        Conv(384, 3),
        Conv(384, 3),
        Conv(256, 3),
        MaxPool(2),
        Flatten(),
        Dense(4096, activation="relu"),
        Dropout(0.4),
        Dense(4096, activation="relu"),
        Dropout(0.4),
        Dense(num_classes, name="logits"),
    ]


def normalized_conv(filters: int, size: int) -> list:
    """Return a convolution, BatchNorm and ReLU."""
    return [layers.Conv(filters, size, padding="same"), BatchNorm(), Activation("relu")]


def normalized_dense(units: int) -> list:
    """Return a dense layer, BatchNorm, ReLU, and dropout of one half."""
    return [Dense(units), BatchNorm(), Activation("relu"), Dropout(0.5)]


@network("alexnet_bn")
def alexnet_bn(num_classes: int) -> list:
    """24,806,194 parameters for CIFAR-10 (24,787,038 trainable)."""
    return [
        normalized_conv(96, 11),
        MaxPool(2),
        normalized_conv(256, 5),
        MaxPool(2),
        normalized_conv(384, 3),
        MaxPool(2),
        normalized_conv(384, 3),
        normalized_conv(256, 3),
        MaxPool(2),
        Flatten(),
        normalized_dense(4096),
        normalized_dense(4096),
        Dense(num_classes),
        BatchNorm(name="logits"),
    ]

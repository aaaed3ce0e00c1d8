"""The networks of [mnist]: few kernels, no dense layer.

The last convolution is as large as the map that remains of a 28x28 image. Convolutions are "valid",
with stride 1 and Glorot uniform kernels.

`mnist_compact` is this project's own: fewer than 10,000 parameters.

Source: [mnist], see docs/publications.md.
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Activation, Dense, Flatten, GlobalAveragePool, MaxPool

Conv = functools.partial(layers.Conv, activation="relu")
mnist_network = functools.partial(network, image_shape=(28, 28, 1))


def block(filters: int, size: int) -> list:
    """Return a convolution with ReLU, BatchNorm, and dropout of one tenth."""
    return [Conv(filters, size), BatchNorm(), Dropout(0.1)]


def classifier(num_classes: int, size: int) -> list:
    """Return a convolution over the whole map, whose outputs are the logits."""
    return [layers.Conv(num_classes, size), Flatten(name="logits")]


@mnist_network("mnist_vanilla")
def mnist_vanilla(num_classes: int) -> list:
    """49,220 parameters."""
    return [
        Conv(16, 3),
        Conv(32, 3),
        Conv(10, 1),
        MaxPool(2),
        Conv(16, 3),
        Conv(32, 3),
        Conv(32, 3),
        Conv(64, 3),
        classifier(num_classes, 4),
    ]


@mnist_network("mnist_small")
def mnist_small(num_classes: int) -> list:
    """10,524 parameters."""
    return [
        Conv(8, 3),
        Conv(16, 3),
        Conv(10, 1),
        MaxPool(2),
        Conv(8, 3),
        Conv(16, 3),
        Conv(16, 3),
        Conv(16, 3),
        classifier(num_classes, 4),
    ]


@mnist_network("mnist_small_bn")
def mnist_small_bn(num_classes: int) -> list:
    """10,844 parameters (10,684 trainable): `mnist_small` with BatchNorm and dropout."""
    return [
        block(8, 3),
        block(16, 3),
        Conv(10, 1),
        MaxPool(2),
        block(8, 3),
        block(16, 3),
        block(16, 3),
        block(16, 3),
        classifier(num_classes, 4),
    ]


@mnist_network("mnist_bn_dropout")
def mnist_bn_dropout(num_classes: int) -> list:
    """13,880 parameters (13,688 trainable): the publication's best below 15,000."""
    return [
        block(12, 3),
        block(20, 3),
        Conv(10, 1),
        MaxPool(2),
        block(16, 3),
        block(16, 3),
        block(16, 3),
        block(16, 3),
        classifier(num_classes, 4),
    ]


@mnist_network("mnist_deep_20k")
def mnist_deep_20k(num_classes: int) -> list:
    """20,010 parameters (19,742 trainable)."""
    return [
        block(8, 3),
        block(16, 3),
        block(32, 3),
        Conv(10, 1),
        MaxPool(2),
        block(16, 3),
        block(32, 3),
        block(10, 1),
        block(20, 3),
        classifier(num_classes, 5),
    ]


@mnist_network("mnist_deep_12k")
def mnist_deep_12k(num_classes: int) -> list:
    """12,664 parameters (12,436 trainable)."""
    return [
        block(10, 3),
        block(16, 3),
        Conv(10, 1),
        block(20, 3),
        MaxPool(2),
        block(10, 3),
        block(16, 3),
        block(10, 1),
        block(16, 3),
        block(16, 3),
        classifier(num_classes, 3),
    ]


@mnist_network("mnist_stem64_16k")
def mnist_stem64_16k(num_classes: int) -> list:
    """15,958 parameters (15,650 trainable)."""
    return [
        block(64, 3),
        Conv(10, 1),
        block(16, 3),
        block(16, 3),
        MaxPool(2),
        block(16, 3),
        block(16, 3),
        block(10, 1),
        block(16, 3),
        classifier(num_classes, 5),
    ]


def normalized(filters: int, padding: str = "valid") -> list:
    """Return a 3x3 convolution and BatchNorm."""
    return [layers.Conv(filters, 3, padding=padding), BatchNorm()]


@mnist_network("mnist_compact")
def mnist_compact(num_classes: int) -> list:
    """9,298 parameters (9,146 trainable).

    It pools early, has a residual block at 11x11, and takes a mean over the map, where the
    publication's networks spend 2,500 parameters on a convolution.
    """
    return [
        [normalized(12), Activation("relu")],
        MaxPool(2),
        [normalized(16), Activation("relu")],
        Residual([normalized(16, "same"), Activation("relu"), normalized(16, "same")]),
        MaxPool(2),
        [normalized(16), Activation("relu")],
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]

"""The networks of the MNIST publication (001_e9c733e47930a093.txt): few kernels, no dense layer.

The last convolution is as large as the map that is left of a 28x28 image. Convolutions are "valid",
with stride 1 and Glorot uniform kernels.

`mnist_compact` is our own: below 10,000 parameters.
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
    """A convolution with ReLU, then BatchNorm, then a tenth dropped."""
    return [Conv(filters, size), BatchNorm(), Dropout(0.1)]


def classifier(num_classes: int, size: int) -> list:
    """A convolution over the whole map gives the logits."""
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


def normalised(filters: int, padding: str = "valid") -> list:
    """A 3x3 convolution and BatchNorm."""
    return [layers.Conv(filters, 3, padding=padding), BatchNorm()]


@mnist_network("mnist_compact")
def mnist_compact(num_classes: int) -> list:
    """9,298 parameters (9,146 trainable).

    Pooled early; a residual block at 11x11; a mean over the map, where the publication's networks
    spend 2,500 parameters on a convolution.
    """
    return [
        [normalised(12), Activation("relu")],
        MaxPool(2),
        [normalised(16), Activation("relu")],
        Residual([normalised(16, "same"), Activation("relu"), normalised(16, "same")]),
        MaxPool(2),
        [normalised(16), Activation("relu")],
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]

"""Two AlexNets for small images, each as in a publication.

`alexnet` is that of the classic-networks publication (004_a15b95ab2bdb4599.txt): a 3x3 stem with
stride 4, BatchNorm behind the ReLU of the first two convolutions only. `alexnet_bn` is that of the
homework publication (002_85aa68ec7028faa3.txt): an 11x11 stem without stride, BatchNorm in front of
every activation, the softmax included.

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


def normalised_conv(filters: int, size: int) -> list:
    """A convolution, then BatchNorm, then ReLU."""
    return [layers.Conv(filters, size, padding="same"), BatchNorm(), Activation("relu")]


def normalised_dense(units: int) -> list:
    """A dense layer, then BatchNorm, then ReLU, then half dropped."""
    return [Dense(units), BatchNorm(), Activation("relu"), Dropout(0.5)]


@network("alexnet_bn")
def alexnet_bn(num_classes: int) -> list:
    """24,806,194 parameters for CIFAR-10 (24,787,038 trainable)."""
    return [
        normalised_conv(96, 11),
        MaxPool(2),
        normalised_conv(256, 5),
        MaxPool(2),
        normalised_conv(384, 3),
        MaxPool(2),
        normalised_conv(384, 3),
        normalised_conv(256, 3),
        MaxPool(2),
        Flatten(),
        normalised_dense(4096),
        normalised_dense(4096),
        Dense(num_classes),
        BatchNorm(name="logits"),
    ]

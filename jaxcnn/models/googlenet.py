"""GoogLeNet as in [classic], with that publication's departures from the paper.

The departures: 3x3 stem convolutions with BatchNorm, pools of stride 1, fewer channels in 4c (24)
and 4e (120), a Dense 1000 before the logits, 256 units in the auxiliary heads.

Source: [classic], see docs/publications.md.

References: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import AuxHead, Branches
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Activation, AveragePool, Dense, Flatten, MaxPool, ZeroPad

Conv = functools.partial(layers.Conv, padding="same", activation="relu")


def stem(filters: int, stride: int = 1) -> list:
    """Return a "valid" 3x3 convolution, BatchNorm and ReLU; no other part has BatchNorm."""
    return [layers.Conv(filters, 3, stride=stride), BatchNorm(), Activation("relu")]


def inception(name: str, f1: int, f2_in: int, f2: int, f3_in: int, f3: int, f4: int) -> Branches:
    """Return 1x1, 3x3 and 5x5 convolutions and a pool side by side.

    A 1x1 convolution comes before the 3x3 and the 5x5 one, and after the pool.
    """
    return Branches(
        Conv(f1, 1),
        [Conv(f2_in, 1), Conv(f2, 3)],
        [Conv(f3_in, 1), Conv(f3, 5)],
        [MaxPool(3, stride=1, padding="same"), Conv(f4, 1)],
        name=f"inception_{name}",
    )


def auxiliary(name: str, num_classes: int) -> AuxHead:
    """Return an auxiliary classifier on an inner feature map."""
    return AuxHead(
        AveragePool(5, stride=3),
        Conv(128, 1),
        Flatten(),
        Dense(256, activation="relu"),
        Dropout(0.4),
        Dense(num_classes, name="logits"),
        name=name,
    )


@network("googlenet")
def googlenet(num_classes: int) -> list:
    """23,188,534 parameters for CIFAR-10 (23,187,702 trainable); heads `main`, `aux1`, `aux2`."""
    return [
        ZeroPad(3),
        stem(32, stride=2),
        MaxPool(2, stride=1),
        stem(192),
        stem(192),
        MaxPool(2, stride=1),
        inception("3a", 64, 96, 128, 16, 32, 32),
        inception("3b", 128, 128, 192, 32, 96, 64),
        MaxPool(2, stride=1),
        inception("4a", 192, 96, 208, 16, 48, 64),
        auxiliary("aux1", num_classes),
        inception("4b", 160, 112, 224, 24, 64, 64),
        inception("4c", 128, 128, 256, 24, 24, 64),
        inception("4d", 112, 144, 288, 32, 64, 64),
        auxiliary("aux2", num_classes),
        inception("4e", 256, 120, 320, 32, 128, 128),
        MaxPool(2, stride=1),
        inception("5a", 256, 160, 320, 32, 128, 128),
        inception("5b", 384, 192, 384, 48, 128, 128),
        AveragePool(7, stride=1),
        Dropout(0.4),
        Flatten(),
        Dense(1000, activation="relu"),
        Dense(num_classes, name="main"),
    ]

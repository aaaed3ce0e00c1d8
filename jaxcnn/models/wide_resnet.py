"""Wide ResNets: BatchNorm and ReLU before each convolution, three stages of wide blocks.

A block that changes the number of channels shares its first BatchNorm and ReLU with the projected
shortcut, as in the paper's code. There is no dropout, as in the paper's main results.

References: Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146
"""

from jaxcnn.models.common import Conv, bn_relu
from jaxcnn.models.registry import network
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Dense, GlobalAveragePool


def first_block(name: str, filters: int, stride: int) -> list:
    """Return a block whose shortcut is projected."""
    main = [Conv(filters, 3, stride=stride), bn_relu(), Conv(filters, 3)]
    shortcut = Conv(filters, 1, stride=stride)
    return [bn_relu(), Residual(main, shortcut, activation="linear", name=name)]


def block(name: str, filters: int) -> Residual:
    """Return a block whose shortcut is the identity."""
    main = [bn_relu(), Conv(filters, 3), bn_relu(), Conv(filters, 3)]
    return Residual(main, activation="linear", name=name)


def stage(number: int, filters: int, blocks: int) -> list:
    """Return blocks a, b, c, …; from the second stage on, the first one halves the image."""
    names = [f"stage{number}{letter}" for letter in "abcdef"[:blocks]]
    first = first_block(names[0], filters, stride=2 if number > 1 else 1)
    return [first, *(block(name, filters) for name in names[1:])]


def wide_resnet(num_classes: int, blocks: int, width: int) -> list:
    """Return 6 * blocks + 4 layers, `width` times as wide as a ResNet for CIFAR."""
    return [
        Conv(16, 3),
        stage(1, 16 * width, blocks),
        stage(2, 32 * width, blocks),
        stage(3, 64 * width, blocks),
        bn_relu(),
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]


@network("wide_resnet16_4")
def wide_resnet16_4(num_classes: int) -> list:
    """2,752,506 parameters for 10 classes (2,748,890 trainable)."""
    return wide_resnet(num_classes, blocks=2, width=4)


@network("wide_resnet28_10")
def wide_resnet28_10(num_classes: int) -> list:
    """36,497,146 parameters for 10 classes (36,479,194 trainable)."""
    return wide_resnet(num_classes, blocks=4, width=10)

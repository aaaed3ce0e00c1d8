"""ResNet-18 and ResNet-34 for small images: the stem is a 3x3 convolution without a pool.

Except for the stem these are the paper's networks for ImageNet, as commonly trained on CIFAR.

References: He et al. 2015, https://arxiv.org/abs/1512.03385
"""

from jaxcnn.models.common import BatchNorm, Conv, conv_bn_relu
from jaxcnn.models.registry import network
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Dense, GlobalAveragePool


def basic(name: str, filters: int, stride: int, project: bool) -> Residual:
    """Return two 3x3 convolutions with BatchNorm, and a shortcut, projected if asked."""
    main = [conv_bn_relu(filters, 3, stride=stride), Conv(filters, 3), BatchNorm()]
    shortcut = [Conv(filters, 1, stride=stride), BatchNorm()] if project else []
    return Residual(main, shortcut, name=name)


def stage(number: int, filters: int, blocks: int) -> list:
    """Return blocks a, b, c, …; from the second stage on, the first one halves the image."""
    names = [f"stage{number}{letter}" for letter in "abcdef"[:blocks]]
    halves = number > 1
    first = basic(names[0], filters, 2 if halves else 1, project=halves)
    return [first, *(basic(name, filters, 1, project=False) for name in names[1:])]


def resnet(num_classes: int, blocks: tuple[int, int, int, int]) -> list:
    """Return a stem, four stages with these numbers of blocks, and a classifier."""
    return [
        conv_bn_relu(64, 3),
        stage(1, 64, blocks[0]),
        stage(2, 128, blocks[1]),
        stage(3, 256, blocks[2]),
        stage(4, 512, blocks[3]),
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]


@network("resnet18")
def resnet18(num_classes: int) -> list:
    """11,183,562 parameters for 10 classes (11,173,962 trainable)."""
    return resnet(num_classes, (2, 2, 2, 2))


@network("resnet34")
def resnet34(num_classes: int) -> list:
    """21,299,146 parameters for 10 classes (21,282,122 trainable)."""
    return resnet(num_classes, (3, 4, 6, 3))

"""DenseNet-BC for small images: each layer reads the outputs of all layers before it in its block.

BatchNorm and ReLU come before each convolution. Each 3x3 convolution follows a 1x1 one, whose
outputs are four times the growth rate (B). Transitions halve the channels (C). There is no dropout,
as in the paper's results with augmentation.

References: Huang et al. 2016, https://arxiv.org/abs/1608.06993
"""

from jaxcnn.models.common import Conv, bn_relu
from jaxcnn.models.registry import network
from jaxcnn.nn.blocks import Branches
from jaxcnn.nn.layers import AveragePool, Dense, GlobalAveragePool


def dense_layer(name: str, growth: int) -> Branches:
    """Return a layer that appends `growth` new channels to its input."""
    new = [bn_relu(), Conv(4 * growth, 1), bn_relu(), Conv(growth, 3)]
    return Branches([], new, name=name)


def block(number: int, layers: int, growth: int) -> list:
    """Return dense layers one after another."""
    return [dense_layer(f"block{number}_{n}", growth) for n in range(1, layers + 1)]


def transition(channels: int) -> list:
    """Return layers that halve the image and leave `channels` channels."""
    return [bn_relu(), Conv(channels, 1), AveragePool(2)]


def densenet_bc(num_classes: int, layers: int, growth: int) -> list:
    """Return three blocks of `layers` dense layers: 6 * layers + 4 layers in all."""
    first = 2 * growth
    second = (first + layers * growth) // 2
    third = (second + layers * growth) // 2
    return [
        Conv(first, 3),
        block(1, layers, growth),
        transition(second),
        block(2, layers, growth),
        transition(third),
        block(3, layers, growth),
        bn_relu(),
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]


@network("densenet40_bc")
def densenet40_bc(num_classes: int) -> list:
    """Growth rate 12: 181,210 parameters for 10 classes (176,122 trainable)."""
    return densenet_bc(num_classes, layers=6, growth=12)


@network("densenet100_bc")
def densenet100_bc(num_classes: int) -> list:
    """Growth rate 12: 793,150 parameters for 10 classes (769,162 trainable)."""
    return densenet_bc(num_classes, layers=16, growth=12)

"""VGG-11, 13, 16 and 19 for small images: BatchNorm before each ReLU, one dense layer.

The convolutions have a bias although BatchNorm follows, as in kuangliu's pytorch-cifar, so that the
parameter counts are the same. The pools keep an odd last row, so that the networks also take images
of 28 pixels.

References: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556
"""

from jaxcnn.models.common import conv_bn_relu
from jaxcnn.models.registry import network
from jaxcnn.nn.layers import Dense, GlobalAveragePool, MaxPool


def stage(filters: int, convolutions: int) -> list:
    """Return 3x3 convolutions, then a pool."""
    conv_layers = [conv_bn_relu(filters, 3, use_bias=True) for _ in range(convolutions)]
    return [conv_layers, MaxPool(2, padding="same")]


def vgg(num_classes: int, *convolutions: int) -> list:
    """Return five stages with these numbers of 3x3 convolutions, and a classifier."""
    stages = zip((64, 128, 256, 512, 512), convolutions, strict=True)
    return [
        [stage(filters, number) for filters, number in stages],
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]


@network("vgg11")
def vgg11(num_classes: int) -> list:
    """9,236,618 parameters for 10 classes (9,231,114 trainable)."""
    return vgg(num_classes, 1, 1, 2, 2, 2)


@network("vgg13")
def vgg13(num_classes: int) -> list:
    """9,421,898 parameters for 10 classes (9,416,010 trainable)."""
    return vgg(num_classes, 2, 2, 2, 2, 2)


@network("vgg16")
def vgg16(num_classes: int) -> list:
    """14,736,714 parameters for 10 classes (14,728,266 trainable)."""
    return vgg(num_classes, 2, 2, 3, 3, 3)


@network("vgg19")
def vgg19(num_classes: int) -> list:
    """20,051,530 parameters for 10 classes (20,040,522 trainable)."""
    return vgg(num_classes, 2, 2, 4, 4, 4)

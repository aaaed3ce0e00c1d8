"""A small Xception for small images: separable convolutions in residual blocks.

The paper's plan (entry, middle and exit flow, ReLU before each separable convolution, projected
shortcuts where the image is halved) with narrower and fewer layers, and a stem of stride 1.

References: Chollet 2016, https://arxiv.org/abs/1610.02357
"""

import functools

from jaxcnn.models.common import BatchNorm, Conv, conv_bn_relu
from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Activation, Dense, GlobalAveragePool, MaxPool

DepthwiseConv = functools.partial(
    layers.DepthwiseConv, padding="same", use_bias=False, initializer="he_normal"
)


def separable(filters: int) -> list:
    """Return a 3x3 convolution of each channel, a 1x1 convolution across them, and BatchNorm."""
    return [DepthwiseConv(3), Conv(filters, 1), BatchNorm()]


def halving(name: str, filters: int) -> Residual:
    """Return two separable convolutions and a pool, with a projected shortcut."""
    relu = functools.partial(Activation, "relu")
    pool = MaxPool(3, stride=2, padding="same")
    main = [relu(), separable(filters), relu(), separable(filters), pool]
    shortcut = [Conv(filters, 1, stride=2), BatchNorm()]
    return Residual(main, shortcut, activation="linear", name=name)


def middle(name: str, filters: int) -> Residual:
    """Return three separable convolutions, added to their input."""
    main = [[Activation("relu"), separable(filters)] for _ in range(3)]
    return Residual(main, activation="linear", name=name)


@network("xception_small")
def xception_small(num_classes: int) -> list:
    """1,813,258 parameters for 10 classes (1,800,586 trainable)."""
    return [
        conv_bn_relu(64, 3),
        halving("entry1", 128),
        halving("entry2", 256),
        [middle(f"middle{n}", 256) for n in range(1, 5)],
        halving("exit", 512),
        [separable(512), Activation("relu")],
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]

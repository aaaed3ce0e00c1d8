"""ResNet50 as in [classic].

The stem is that of ImageNet (7x7 with stride 2, then a pool), so CIFAR images shrink to 2x2. The
first 1x1 convolution of a block has its stride.

Source: [classic], see docs/publications.md.

References: He et al. 2015, https://arxiv.org/abs/1512.03385
"""

from jaxcnn.models.registry import network
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Activation, AveragePool, Conv, Dense, Flatten, MaxPool, ZeroPad


def bottleneck(name: str, filters: tuple[int, int, int], stride: int, project: bool) -> Residual:
    """Return 1x1, 3x3 and 1x1 convolutions with BatchNorm, and a shortcut, projected if asked."""
    first, second, third = filters
    main = [
        Conv(first, 1, stride=stride),
        BatchNorm(),
        Activation("relu"),
        Conv(second, 3, padding="same"),
        BatchNorm(),
        Activation("relu"),
        Conv(third, 1),
        BatchNorm(),
    ]
    shortcut = [Conv(third, 1, stride=stride), BatchNorm()] if project else []
    return Residual(main, shortcut, name=name)


def stage(number: int, filters: tuple[int, int, int], blocks: int, stride: int = 2) -> list:
    """Return blocks a, b, c, …; the first one has the stride and the projection."""
    names = [f"stage{number}{letter}" for letter in "abcdef"[:blocks]]
    first = bottleneck(names[0], filters, stride, project=True)
    return [first, *(bottleneck(name, filters, 1, project=False) for name in names[1:])]


@network("resnet50")
def resnet50(num_classes: int) -> list:
    """23,608,202 parameters for CIFAR-10 (23,555,082 trainable)."""
    return [
        ZeroPad(3),
        Conv(64, 7, stride=2, padding="same"),
        BatchNorm(),
        Activation("relu"),
        MaxPool(3, stride=2),
        stage(2, (64, 64, 256), blocks=3, stride=1),
        stage(3, (128, 128, 512), blocks=4),
        stage(4, (256, 256, 1024), blocks=6),
        stage(5, (512, 512, 2048), blocks=3),
        AveragePool(2),
        Flatten(),
        Dense(num_classes, name="logits"),
    ]

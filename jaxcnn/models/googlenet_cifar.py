"""GoogLeNet for small images: a 3x3 stem of stride 1, BatchNorm everywhere, one head.

Two 3x3 convolutions replace the 5x5 one, and convolutions have a bias, as in kuangliu's
pytorch-cifar, which made this network known. The inception modules are otherwise the paper's.

References: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842
"""

import functools

from jaxcnn.models import common
from jaxcnn.models.registry import network
from jaxcnn.nn.blocks import Branches
from jaxcnn.nn.layers import Dense, GlobalAveragePool, MaxPool

conv_bn_relu = functools.partial(common.conv_bn_relu, use_bias=True)
halve = functools.partial(MaxPool, 3, stride=2, padding="same")


def inception(name: str, f1: int, f2_in: int, f2: int, f3_in: int, f3: int, f4: int) -> Branches:
    """Return a 1x1, a 3x3 and two 3x3 convolutions and a pool side by side.

    A 1x1 convolution comes before the 3x3 ones, and after the pool.
    """
    return Branches(
        conv_bn_relu(f1, 1),
        [conv_bn_relu(f2_in, 1), conv_bn_relu(f2, 3)],
        [conv_bn_relu(f3_in, 1), conv_bn_relu(f3, 3), conv_bn_relu(f3, 3)],
        [MaxPool(3, stride=1, padding="same"), conv_bn_relu(f4, 1)],
        name=f"inception_{name}",
    )


@network("googlenet_cifar")
def googlenet_cifar(num_classes: int) -> list:
    """6,182,058 parameters for 10 classes (6,166,250 trainable)."""
    return [
        conv_bn_relu(192, 3),
        inception("3a", 64, 96, 128, 16, 32, 32),
        inception("3b", 128, 128, 192, 32, 96, 64),
        halve(),
        inception("4a", 192, 96, 208, 16, 48, 64),
        inception("4b", 160, 112, 224, 24, 64, 64),
        inception("4c", 128, 128, 256, 24, 64, 64),
        inception("4d", 112, 144, 288, 32, 64, 64),
        inception("4e", 256, 160, 320, 32, 128, 128),
        halve(),
        inception("5a", 256, 160, 320, 32, 128, 128),
        inception("5b", 384, 192, 384, 48, 128, 128),
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]

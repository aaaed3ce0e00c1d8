"""A network of our own: at most 300,000 parameters, for CIFAR-10 and FERPlus.

The idea: pay for resolution with computation, which is cheap in parameters, and for depth with
shortcuts. As in VGG all convolutions are 3x3, and channels grow where a pool shrinks the map;
two wide ones see the full image, for 10,000 parameters. Each later stage widens once and then
refines what it has in one residual block, so that no stage must learn again what the one before
found. A mean over the map takes the place of dense layers, where AlexNet and VGG16 have most of
their parameters.

References: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556; He et al. 2015,
https://arxiv.org/abs/1512.03385; Lin et al. 2013 (the mean), https://arxiv.org/abs/1312.4400
"""

from jaxcnn.models.registry import network
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Activation, Conv, Dense, GlobalAveragePool, MaxPool


def conv(filters: int) -> list:
    """A 3x3 convolution and BatchNorm."""
    return [Conv(filters, 3, padding="same", initializer="he_normal"), BatchNorm()]


def widen(filters: int) -> list:
    """A convolution to more channels, with ReLU."""
    return [conv(filters), Activation("relu")]


def refine(filters: int) -> Residual:
    """Two convolutions added to what they see, then ReLU."""
    return Residual([widen(filters), conv(filters)])


@network("compact_cnn")
@network("compact_cnn_ferplus", image_shape=(48, 48, 1), num_classes=8)
def compact_cnn(num_classes: int) -> list:
    """295,810 parameters for CIFAR-10; 295,056 for FERPlus."""
    return [
        widen(32),
        widen(32),
        MaxPool(2),
        widen(64),
        refine(64),
        MaxPool(2),
        widen(88),
        refine(88),
        GlobalAveragePool(),
        Dense(num_classes, name="logits"),
    ]

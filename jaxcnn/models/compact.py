"""This project's own network: at most 300,000 parameters, for CIFAR-10 and FERPlus.

Resolution costs computation but few parameters, and shortcuts make depth trainable. As in VGG, all
convolutions are 3x3, and channels grow where a pool shrinks the map. Two convolutions run on the
full image, for 10,000 parameters. Each later stage widens once and then refines its maps in one
residual block. A mean over the map replaces dense layers, which hold most of the parameters of
AlexNet and VGG16.

References: Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556; He et al. 2015,
https://arxiv.org/abs/1512.03385; Lin et al. 2013 (the mean), https://arxiv.org/abs/1312.4400
"""

from jaxcnn.models.registry import network
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.layers import Activation, Conv, Dense, GlobalAveragePool, MaxPool


def conv(filters: int) -> list:
    """Return a 3x3 convolution and BatchNorm."""
    return [Conv(filters, 3, padding="same", initializer="he_normal"), BatchNorm()]


def widen(filters: int) -> list:
    """Return a convolution to more channels, with ReLU."""
    return [conv(filters), Activation("relu")]


def refine(filters: int) -> Residual:
    """Return two convolutions, added to their input, then ReLU."""
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

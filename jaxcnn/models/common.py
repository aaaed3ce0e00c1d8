"""Layers of the modern networks: "same" padding, no bias before BatchNorm, PyTorch's BatchNorm.

Kernels of convolutions are He normal. At stride 2 on an even side, XLA's "same" pads one row after
the image, PyTorch's padding of 1 one row before it.
"""

import functools

from jaxcnn.nn import batch_norm, layers
from jaxcnn.nn.layers import Activation

BatchNorm = functools.partial(batch_norm.BatchNorm, epsilon=1e-5, decay=0.9)
Conv = functools.partial(layers.Conv, padding="same", use_bias=False, initializer="he_normal")


def conv_bn_relu(filters: int, size: int, **options) -> list:
    """Return a convolution, BatchNorm and ReLU."""
    return [Conv(filters, size, **options), BatchNorm(), Activation("relu")]


def bn_relu() -> list:
    """Return BatchNorm and ReLU, which come before a convolution in pre-activation networks."""
    return [BatchNorm(), Activation("relu")]

"""What the modern networks share: "same" padding, no bias before BatchNorm, PyTorch's BatchNorm.

Kernels of convolutions are He normal. At stride 2 on an even side, XLA's "same" pads one row after
the image, where PyTorch's padding of 1 has one before it.
"""

import functools
from typing import TypeVar

from jaxcnn.errors import UserError
from jaxcnn.nn import batch_norm, layers
from jaxcnn.nn.layers import Activation

BatchNorm = functools.partial(batch_norm.BatchNorm, epsilon=1e-5, decay=0.9)
Conv = functools.partial(layers.Conv, padding="same", use_bias=False, initializer="he_normal")


def conv_bn_relu(filters: int, size: int, **options) -> list:
    """A convolution with BatchNorm and ReLU behind it."""
    return [Conv(filters, size, **options), BatchNorm(), Activation("relu")]


def bn_relu() -> list:
    """BatchNorm and ReLU: what stands in front of a convolution in pre-activation networks."""
    return [BatchNorm(), Activation("relu")]


T = TypeVar("T")


def choose(option: str, value: str, choices: dict[str, T]) -> T:
    """What the option's value stands for.

    Raises:
      UserError: the value is none of the choices.
    """
    if value not in choices:
        raise UserError(f"option {option} = {value!r}: allowed is one of {', '.join(choices)}")
    return choices[value]

"""LeNet as in [classic]: He normal kernels.

Source: [classic], see docs/publications.md.

References: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.layers import AveragePool, Flatten

Conv = functools.partial(layers.Conv, activation="relu", initializer="he_normal")
Dense = functools.partial(layers.Dense, initializer="he_normal")


@network("lenet")
def lenet(num_classes: int) -> list:
    """62,006 parameters for CIFAR-10; average pools, ReLU."""
    return [
        Conv(6, 5),
        AveragePool(2),
        Conv(16, 5),
        AveragePool(2),
        Flatten(),
        Dense(120, activation="relu"),
        Dense(84, activation="relu"),
        Dense(num_classes, name="logits"),
    ]

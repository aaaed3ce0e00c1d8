"""The "Simpler CNN" of [homework].

BatchNorm comes after the ELU. Only convolution kernels have an L2 penalty, of factor 1e-4.

Source: [homework], see docs/publications.md.
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Dense, Flatten, MaxPool

Conv = functools.partial(layers.Conv, padding="same", activation="elu", l2=1e-4)


def stage(filters: int, dropout: float) -> list:
    """Return two convolutions with BatchNorm, a pool and dropout."""
    return [
        Conv(filters, 3),
        BatchNorm(),
        Conv(filters, 3),
        BatchNorm(),
        MaxPool(2),
        Dropout(dropout),
    ]


@network("simpler_cnn")
@network("simpler_cnn_ferplus", image_shape=(48, 48, 1), num_classes=8)
def simpler_cnn(num_classes: int) -> list:
    """309,290 parameters for CIFAR-10 (308,394 trainable); 325,096 for FERPlus (324,200)."""
    return [
        stage(32, dropout=0.2),
        stage(64, dropout=0.3),
        stage(128, dropout=0.4),
        Flatten(),
        Dense(num_classes, name="logits"),
    ]

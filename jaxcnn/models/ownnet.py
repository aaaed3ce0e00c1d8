"""The three networks that the authors of [homework] designed.

BatchNorm comes before every activation. The publication's pages end before the networks do: the
logits and the BatchNorm on them are assumed, as in its `alexnet_bn`.

Source: [homework], see docs/publications.md.
"""

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Activation, Dense, Flatten, MaxPool


def conv(filters: int, size: int, activation: str, *, padding: str = "same", **options) -> list:
    """Return a convolution, BatchNorm and the activation."""
    convolution = layers.Conv(filters, size, padding=padding, **options)
    return [convolution, BatchNorm(), Activation(activation)]


def dense(units: int, activation: str) -> list:
    """Return a dense layer, BatchNorm, the activation, and dropout of one half."""
    return [Dense(units), BatchNorm(), Activation(activation), Dropout(0.5)]


def classifier(num_classes: int, final_bn: bool) -> list:
    """Return the layer of the logits, with BatchNorm unless `final_bn` is False."""
    if final_bn:
        return [Dense(num_classes), BatchNorm(name="logits")]
    return [Dense(num_classes, name="logits")]


@network("ownnet_v1")
def ownnet_v1(num_classes: int, final_bn: bool = True, extra_dense: tuple[int, ...] = ()) -> list:
    """1,505,844 parameters for CIFAR-10 (1,501,164 trainable).

    Args:
      final_bn: BatchNorm between the last dense layer and the softmax.
      extra_dense: widths of dense layers after those on the publication's pages.
    """
    return [
        conv(30, 8, "relu"),
        MaxPool(2),
        conv(60, 8, "relu"),
        MaxPool(2),
        conv(128, 4, "relu"),
        MaxPool(2),
        conv(128, 3, "relu"),
        MaxPool(2),
        conv(128, 3, "relu"),
        conv(256, 3, "relu"),
        MaxPool(2),
        conv(64, 2, "relu"),
        Flatten(),
        dense(1024, "relu"),
        dense(512, "relu"),
        [dense(units, "relu") for units in extra_dense],
        classifier(num_classes, final_bn),
    ]


@network("ownnet_v2")
def ownnet_v2(num_classes: int, final_bn: bool = True, extra_dense: tuple[int, ...] = ()) -> list:
    """2,625,126 parameters for CIFAR-10 (2,621,930 trainable); options as in `ownnet_v1`."""
    return [
        conv(100, 10, "leaky_relu", stride=2, padding="valid"),
        conv(80, 8, "leaky_relu"),
        MaxPool(2),
        conv(256, 6, "leaky_relu"),
        MaxPool(2),
        conv(128, 5, "leaky_relu"),
        MaxPool(2),
        conv(128, 4, "leaky_relu"),
        conv(64, 3, "leaky_relu"),
        conv(64, 2, "leaky_relu"),
        Flatten(),
        dense(512, "leaky_relu"),
        dense(256, "leaky_relu"),
        [dense(units, "leaky_relu") for units in extra_dense],
        classifier(num_classes, final_bn),
    ]


@network("ownnet_v3")
def ownnet_v3(num_classes: int, final_bn: bool = True, extra_dense: tuple[int, ...] = ()) -> list:
    """1,230,886 parameters for CIFAR-10 (1,228,962 trainable); options as in `ownnet_v1`."""
    return [
        conv(100, 3, "leaky_relu"),
        conv(80, 5, "leaky_relu"),
        MaxPool(2),
        conv(128, 6, "elu"),
        MaxPool(2),
        conv(96, 5, "leaky_relu"),
        MaxPool(2),
        conv(64, 4, "leaky_relu"),
        conv(58, 3, "elu"),
        conv(42, 2, "leaky_relu"),
        Flatten(),
        dense(256, "leaky_relu"),
        dense(128, "elu"),
        [dense(units, "leaky_relu") for units in extra_dense],
        classifier(num_classes, final_bn),
    ]
